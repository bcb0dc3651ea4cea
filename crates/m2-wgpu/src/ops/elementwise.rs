//! Generated kernels of elementwise expressions, the only WGSL that is not written by hand.

use std::fmt::Write;

use m2_ir::{Binary, Inst, NodeId, Unary, ops::Elementwise};

use crate::{
    Error,
    launch::{Grid, Source},
    layout::Layout,
    lowering::{Lowering, axis, read, write},
};

/// Operands that fit beside the result within eight storage bindings.
const MAX_OPERANDS: usize = 7;

pub(super) fn lower(cx: &mut Lowering<'_>, op: &Elementwise) -> Result<(), Error> {
    let inputs = cx.inputs();
    if inputs.len() > MAX_OPERANDS {
        return Err(cx.unsupported(format!("of {} operands", inputs.len())));
    }
    let out = cx.layout(cx.out());
    let operands =
        inputs.iter().map(|&x| Operand::of(cx, x, &out)).collect::<Result<Vec<_>, _>>()?;
    let text = module(op, &out, &operands);
    let mut bindings: Vec<_> = inputs.iter().map(|&x| read(x)).collect();
    bindings.push(write(cx.out()));
    let grid = match out.lead {
        Some(lead) => Grid::new(lead, 32, out.width().div_ceil(8)),
        None => Grid::flat(out.len(), 64),
    };
    cx.launch_source(Source::Text(text), "elementwise", [], bindings, grid);
    Ok(())
}

/// How an operand is read for result element i (of the axes beside the lead) and tokens 4 t …
struct Operand {
    /// Whether it has the result's symbolic leading axis.
    has_lead: bool,
    /// WGSL of its index among the axes beside the lead, from `i`.
    index: String,
}

impl Operand {
    fn of(cx: &Lowering<'_>, x: NodeId, out: &Layout) -> Result<Self, Error> {
        let layout = cx.layout(x);
        let has_lead = layout.lead.is_some();
        let aligned = layout.lead == out.lead && layout.shape.len() == out.shape.len();
        if has_lead && !aligned {
            return Err(cx.unsupported(format!("that spreads {}", cx.ty(x))));
        }
        // Axes beside the result's lead, counted from the innermost.
        let rest = out.rest();
        let own: Vec<usize> = layout.rest().iter().rev().copied().collect();
        let (mut index, mut step, mut below) = (Vec::new(), 1, 1);
        for (i, &n) in rest.iter().rev().enumerate() {
            let size = own.get(i).copied().unwrap_or(1);
            if size > 1 {
                let part = if below == 1 { "i".into() } else { format!("i / {below}u") };
                let outermost = i + 1 == rest.len();
                let part = if outermost { part } else { format!("{part} % {n}u") };
                index.push(if step == 1 {
                    format!("({part})")
                } else {
                    format!("({part}) * {step}u")
                });
            }
            step *= size;
            below *= n;
        }
        let index = match index.len() {
            0 => "0u".to_string(),
            _ if own.iter().eq(rest.iter().rev()) => "i".to_string(),
            _ => index.join(" + "),
        };
        Ok(Operand { has_lead, index })
    }
}

/// The module: 4 tokens an invocation where there is a symbolic axis, else one element.
fn module(op: &Elementwise, out: &Layout, operands: &[Operand]) -> String {
    let mut text = format!("{}{}", shaders::PRELUDE, shaders::MATH);
    let by_four = out.lead.is_some();
    let element = |four: bool| if four { "vec4<f32>" } else { "f32" };
    for (n, operand) in operands.iter().enumerate() {
        let ty = element(operand.has_lead);
        let _ =
            writeln!(text, "@group(0) @binding({}) var<storage, read> a{n}: array<{ty}>;", n + 1);
    }
    let _ = writeln!(
        text,
        "@group(0) @binding({}) var<storage, read_write> y: array<{}>;",
        operands.len() + 1,
        element(by_four)
    );
    text.push_str(if by_four { HEAD_TOKENS } else { HEAD_FLAT });
    let (ld4, width) = (out.ld / 4, out.width());
    text = text
        .replace("{LEAD}", &format!("{}u", out.lead.map_or(4, axis)))
        .replace("{WIDTH}", &format!("{width}u"));
    for (at, inst) in op.expr.code().iter().enumerate() {
        let _ = writeln!(text, "    let v{at} = {};", value(inst, operands, ld4));
    }
    let last = op.expr.code().len() - 1;
    let store = if by_four {
        format!("    y[i * {ld4}u + t] = v{last};\n}}\n")
    } else {
        format!("    y[i] = v{last}.x;\n}}\n")
    };
    text + &store
}

const HEAD_TOKENS: &str = "
@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let count = lead({LEAD});
    let columns = (count + 31u) / 32u;
    let g = unit(group, groups);
    let t = (g % columns) * 8u + local.x;
    let i = (g / columns) * 8u + local.y;
    if t * 4u >= count || i >= {WIDTH} {
        return;
    }
";

const HEAD_FLAT: &str = "
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let i = unit(group, groups) * 64u + local.x;
    if i >= {WIDTH} {
        return;
    }
";

/// WGSL of one instruction, always a vec4.
fn value(inst: &Inst, operands: &[Operand], ld4: usize) -> String {
    match *inst {
        Inst::Input(n) => {
            let operand = &operands[usize::from(n)];
            let index = &operand.index;
            if operand.has_lead {
                format!("a{n}[({index}) * {ld4}u + t]")
            } else {
                format!("vec4<f32>(a{n}[{index}])")
            }
        }
        // Bits, so that no decimal is misread.
        Inst::Const(v) => format!("vec4<f32>(bitcast<f32>({}u))", (v as f32).to_bits()),
        Inst::Unary(f, a) => match f {
            Unary::Neg => format!("-v{a}"),
            Unary::Gelu => format!("gelu4(v{a})"),
            Unary::Tanh => format!("tanh4(v{a})"),
            Unary::Relu => format!("max(v{a}, vec4<f32>(0.0))"),
            Unary::Sigmoid => format!("sigmoid4(v{a})"),
            Unary::Exp => format!("exp4(v{a})"),
            Unary::Sqrt => format!("sqrt(v{a})"),
            Unary::Recip => format!("1.0 / v{a}"),
        },
        Inst::Binary(f, a, b) => match f {
            Binary::Add => format!("v{a} + v{b}"),
            Binary::Sub => format!("v{a} - v{b}"),
            Binary::Mul => format!("v{a} * v{b}"),
            Binary::Div => format!("v{a} / v{b}"),
            Binary::Max => format!("max(v{a}, v{b})"),
            Binary::Min => format!("min(v{a}, v{b})"),
        },
        Inst::Select(c, a, b) => format!("select(v{b}, v{a}, v{c} != vec4<f32>(0.0))"),
    }
}

#[cfg(test)]
mod tests {
    use m2_ir::{Dim, Expr, Sizes, Type};

    use super::*;
    use crate::layout;

    #[test]
    fn generated_modules_validate() {
        let class = layout::class(&Sizes { tokens: 64, rows: 1, asked: 0, span: 8 });
        let all = [
            Unary::Neg,
            Unary::Gelu,
            Unary::Tanh,
            Unary::Relu,
            Unary::Sigmoid,
            Unary::Exp,
            Unary::Sqrt,
            Unary::Recip,
        ];
        let mut expr = Expr::input(0);
        for f in all {
            expr = expr.unary(f);
        }
        for f in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max, Binary::Min] {
            expr = expr.binary(f, &Expr::input(1)).binary(f, &Expr::constant(0.1));
        }
        for shape in [vec![Dim::Tokens, Dim::Fixed(3)], vec![Dim::Fixed(5), Dim::Fixed(3)]] {
            let out = Layout::of(&Type::f32(shape), &class);
            let operands = [
                Operand { has_lead: out.lead.is_some(), index: "i".into() },
                Operand { has_lead: false, index: "i % 3u".into() },
            ];
            let text = module(&Elementwise::new(expr.clone()), &out, &operands);
            let module = naga::front::wgsl::parse_str(&text)
                .unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
            let mut validator = naga::valid::Validator::new(
                naga::valid::ValidationFlags::all(),
                naga::valid::Capabilities::empty(),
            );
            validator.validate(&module).unwrap();
        }
    }
}
