//! What adapters offer, which kernels they get, and why not faster ones: for `m2 info`.

use crate::{
    Adapter, Class, Limits, Options,
    adapter::{enumerate, instance},
    settings::Settings,
};

/// What an adapter offers, and what M2 makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The adapter.
    pub adapter: Adapter,
    /// Features that matter here, and whether it has them.
    pub features: Vec<(&'static str, bool)>,
    /// Limits that matter here, in bytes or as counts.
    pub limits: Vec<(&'static str, u64)>,
    /// Which kernels would serve which ops.
    pub variants: Vec<Variant>,
}

/// All adapters that M2 can use with what they offer; `limits` as a device would take them.
pub async fn details(limits: &Limits) -> Vec<Details> {
    let options = Options { limits: limits.clone(), ..Options::default() };
    enumerate(&instance()).await.iter().map(|a| Details::of(a, &options)).collect()
}

impl Details {
    fn of(adapter: &wgpu::Adapter, options: &Options) -> Self {
        let known = Adapter::of(&adapter.get_info());
        let (features, limits) = (adapter.features(), options.limits.of(adapter.limits()));
        let settings = Settings::of(&limits, options, known.class);
        use wgpu::Features as F;
        let has = |name, feature| (name, features.contains(feature));
        Details {
            features: vec![
                has("f16 arithmetic", F::SHADER_F16),
                has("subgroups", F::SUBGROUP),
                has("cooperative matrices", F::EXPERIMENTAL_COOPERATIVE_MATRIX),
                has("timestamps", F::TIMESTAMP_QUERY),
                has("pipeline cache", F::PIPELINE_CACHE),
            ],
            limits: vec![
                ("binding", limits.max_storage_buffer_binding_size),
                ("buffer", limits.max_buffer_size),
                ("workgroup memory", limits.max_compute_workgroup_storage_size.into()),
                ("invocations", limits.max_compute_invocations_per_workgroup.into()),
                ("storage buffers", limits.max_storage_buffers_per_shader_stage.into()),
            ],
            variants: variants(known.class, &settings, features),
            adapter: known,
        }
    }
}

/// A choice that was made for an adapter, for `m2 info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The op.
    pub op: &'static str,
    /// The kernels that serve it.
    pub variant: String,
    /// Which faster one is refused, and why.
    pub refused: String,
}

/// Which variants serve the ops on an adapter whose settings are these.
fn variants(class: Class, settings: &Settings, features: wgpu::Features) -> Vec<Variant> {
    let mut all: Vec<Variant> = ["matmul", "block_diag_matmul", "monarch"]
        .map(|op| {
            let variant = settings.products.variant.name().to_owned();
            Variant { op, variant, refused: refused_products(class, features) }
        })
        .into();
    let points = settings.longest_transform;
    all.extend(["sequence_mixer", "conv_pair", "long_conv"].map(|op| Variant {
        op,
        variant: format!("one kernel to {points} tokens, three passes beyond"),
        refused: format!("one kernel for longer rows: workgroup memory holds {points} points"),
    }));
    all
}

fn refused_products(class: Class, features: wgpu::Features) -> String {
    if class == Class::Software {
        return "tiled: a software adapter's workgroup memory is ordinary memory, and slower"
            .into();
    }
    let matrices = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
    match features.contains(matrices) {
        true => {
            "cooperative matrices: the adapter has them, there is no kernel for them yet".into()
        }
        false => "cooperative matrices: the adapter has none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProductVariant, variants::product_variant};

    #[test]
    fn software_adapters_multiply_in_registers() {
        let of = |class| {
            let mut settings = Settings::webgpu();
            settings.products.variant = product_variant(class);
            variants(class, &settings, wgpu::Features::empty())
        };
        assert_eq!(of(Class::Software)[0].variant, "direct");
        assert!(of(Class::Software)[0].refused.starts_with("tiled"));
        assert_eq!(of(Class::Discrete)[0].variant, "tiled");
        assert!(of(Class::Discrete).iter().any(|v| v.variant.contains("2048 tokens")));
        for v in ProductVariant::ALL {
            assert_eq!(v.name().parse(), Ok(v));
        }
        assert!("fast".parse::<ProductVariant>().is_err());
    }
}
