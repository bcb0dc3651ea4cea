//! Drawings of graphs and plans as SVG: boxes from top to bottom in the order of execution, grouped
//! by scope or step, buffers by colour, and layers that are alike drawn once.

mod layout;

use std::{collections::BTreeMap, ops::Range};

use crate::{Graph, Node, NodeId, Op, Plan, plan::Place};
use layout::{Card, Group, Section, draw};

/// Draws a graph: boxes grouped by their scope.
pub fn graph(graph: &Graph) -> String {
    let runs: Vec<Vec<NodeId>> = graph
        .iter()
        .filter(|(_, n)| !n.op.is_source())
        .map(|(id, _)| id)
        .collect::<Vec<_>>()
        .chunk_by(|a, b| scope(&graph.node(*a).name) == scope(&graph.node(*b).name))
        .map(<[NodeId]>::to_vec)
        .collect();
    let title = |nodes: &[NodeId]| scope(&graph.node(nodes[0]).name).to_owned();
    let card = |id| card(graph, id, &|i| i, String::new(), None);
    let sections = sections(graph, "values", &runs, &title, &card);
    let heading = format!("graph of {} values", runs.iter().map(Vec::len).sum::<usize>());
    draw(&heading, &[], &collapse(sections))
}

/// Draws a plan: boxes grouped by step, coloured by the buffer that holds their value.
pub fn plan(plan: &Plan) -> String {
    let graph = &plan.graph;
    let place = |id: NodeId| match plan.places[id.index()] {
        Place::Buffer(b) => (format!("buffer {b}"), Some(b)),
        Place::Frozen => ("kept".to_owned(), None),
        Place::Region => ("in region".to_owned(), None),
        Place::Source | Place::View { .. } | Place::Unused => (String::new(), None),
    };
    let card = |id| {
        let (tag, buffer) = place(id);
        card(graph, id, &|i| plan.resolve(i).0, tag, buffer)
    };
    let title = |nodes: &[NodeId]| match nodes.len() {
        1 => String::new(),
        n => format!("region of {n} operations"),
    };
    let nodes = |steps: &[crate::plan::Step]| -> Vec<Vec<NodeId>> {
        steps.iter().map(|s| s.nodes.clone()).collect()
    };
    let mut all = sections(graph, "once, at load", &nodes(&plan.prologue), &title, &card);
    all.iter_mut().for_each(|s| s.title = format!("once, at load: {}", s.title));
    all.extend(sections(graph, "each run", &nodes(&plan.steps), &title, &card));
    let c = plan.class;
    let heading = format!(
        "plan for {}: {} steps, T {} R {} L {}, {} at most",
        plan.target.name,
        plan.steps.len(),
        c.tokens,
        c.rows,
        c.span,
        size(plan.peak_bytes())
    );
    let legend: Vec<String> = (plan.buffers.iter().enumerate())
        .map(|(i, &bytes)| format!("buffer {i}: {}", size(bytes)))
        .collect();
    draw(&heading, &legend, &collapse(all))
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A name without its last part.
fn scope(name: &str) -> &str {
    name.rfind(['.', '/']).map_or(name, |at| &name[..at])
}

/// The layer that a scope path lies in: 3 for `layer.3.mixer`.
fn layer_of(path: &str) -> Option<usize> {
    path.strip_prefix("layer.")?.split(['.', '/']).next()?.parse().ok()
}

/// Groups of nodes, a section for each run of groups of one layer.
fn sections(
    graph: &Graph,
    default: &str,
    groups: &[Vec<NodeId>],
    title: &dyn Fn(&[NodeId]) -> String,
    card: &dyn Fn(NodeId) -> Card,
) -> Vec<Section> {
    let layer = |nodes: &Vec<NodeId>| nodes.iter().find_map(|i| layer_of(&graph.node(*i).name));
    let runs = groups.chunk_by(|a, b| layer(a) == layer(b));
    runs.map(|run| {
        let layer = run.first().and_then(layer);
        Section {
            title: layer.map_or_else(|| default.to_owned(), |i| format!("layer {i}")),
            layers: layer.map(|i| i..i + 1),
            groups: run
                .iter()
                .map(|nodes| Group {
                    title: title(nodes),
                    cards: nodes.iter().map(|&id| card(id)).collect(),
                })
                .collect(),
            same: BTreeMap::new(),
        }
    })
    .collect()
}

fn card(
    graph: &Graph,
    id: NodeId,
    resolve: &dyn Fn(NodeId) -> NodeId,
    tag: String,
    buffer: Option<usize>,
) -> Card {
    let node = graph.node(id);
    let (mut inputs, mut weights) = (Vec::new(), Vec::new());
    for &input in &node.inputs {
        let source = graph.node(input);
        match source.op.is_source() {
            true => weights.push(relative(&source.name)),
            false => inputs.push(resolve(input)),
        }
    }
    let op = match &node.op {
        Op::Elementwise(e) => e.expr.to_string(),
        op => op.name().to_owned(),
    };
    let outputs: Vec<&str> = graph
        .outputs()
        .iter()
        .filter(|(_, o)| resolve(*o) == id)
        .map(|(n, _)| n.as_str())
        .collect();
    Card {
        id,
        title: format!("{op}  {}", node.ty),
        detail: detail(node, &weights),
        tag,
        output: outputs.join(", "),
        buffer,
        inputs,
    }
}

fn detail(node: &Node, weights: &[String]) -> String {
    let path = relative(&node.name);
    match weights.is_empty() {
        true => path,
        false => format!("{path} ({})", weights.join(", ")),
    }
}

/// A name without what says only that it is in layer i.
fn relative(name: &str) -> String {
    for prefix in ["layer.", "bert.encoder.layer."] {
        if let Some((i, rest)) = name.strip_prefix(prefix).and_then(|r| r.split_once('.'))
            && i.bytes().all(|b| b.is_ascii_digit())
        {
            return rest.to_owned();
        }
    }
    name.to_owned()
}

/// Draws runs of layers that are alike once: the first stands for all.
fn collapse(sections: Vec<Section>) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    for section in sections {
        let Some(previous) = out.last_mut().filter(|p| alike(p, &section)) else {
            out.push(section);
            continue;
        };
        let (Some(a), Some(b)) = (previous.layers.clone(), section.layers.clone()) else {
            continue;
        };
        let drawn = previous.groups.iter_mut().flat_map(|g| &mut g.cards);
        let hidden = section.groups.into_iter().flat_map(|g| g.cards);
        for (shown, hidden) in drawn.zip(hidden) {
            previous.same.insert(hidden.id, shown.id);
            if !hidden.output.is_empty() {
                shown.output = format!("{} of layer {}", hidden.output, b.start);
            }
        }
        previous.layers = Some(Range { start: a.start, end: b.end });
        let prefix = previous.title.split_once("layer").map_or("", |(prefix, _)| prefix);
        previous.title = format!(
            "{prefix}layers {} to {}, {} alike: layer {}",
            a.start,
            b.end - 1,
            b.end - a.start,
            a.start
        );
    }
    out
}

/// Whether a section is the next layer and does the same.
fn alike(a: &Section, b: &Section) -> bool {
    let next = match (&a.layers, &b.layers) {
        (Some(a), Some(b)) => a.end == b.start,
        _ => false,
    };
    let same_card = |(x, y): (&Card, &Card)| {
        x.title == y.title && x.detail == y.detail && x.inputs.len() == y.inputs.len()
    };
    next && a.groups.len() == b.groups.len()
        && a.groups.iter().zip(&b.groups).all(|(x, y)| {
            x.cards.len() == y.cards.len() && x.cards.iter().zip(&y.cards).all(same_card)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Builder, DType, Dim, Expr, Sizes, Target, Unary, ops,
        plan::{Fusion, lower},
    };

    fn layers(n: usize) -> Graph {
        let mut g = Builder::new();
        let mut x = g.input("x", [Dim::Tokens, Dim::Fixed(8)], DType::F32);
        for i in 0..n {
            x = g.scope(format!("layer.{i}"), |g| {
                let w = g.param(format!("bert.encoder.layer.{i}.w<1>"), &[8, 8]);
                let y = g.named("product", ops::MatMul::linear(), &[x, w]).unwrap();
                let act = Expr::input(0).unary(Unary::Gelu);
                g.named("act", ops::Elementwise::new(act), &[y]).unwrap()
            });
        }
        g.output("y", x);
        g.finish()
    }

    #[test]
    fn layers_that_are_alike_are_drawn_once() {
        let (four, five) = (graph(&layers(4)), graph(&layers(5)));
        assert!(four.contains(">layers 1 to 3, 3 alike: layer 1<"), "{four}");
        // The first reads an input instead of a layer.
        assert_eq!(four.matches("class=\"card\"").count(), 4);
        assert_eq!(five.matches("class=\"card\"").count(), 4);
        assert!(four.contains("output y of layer 3"), "{four}");
        assert!(four.contains("w&lt;1&gt;") && !four.contains("w<1>"));
        assert_eq!(four, graph(&layers(4)));
    }

    #[test]
    fn a_plan_shows_its_buffers_and_every_tag_closes() {
        let sizes = Sizes { tokens: 64, rows: 1, asked: 0, span: 64 };
        for target in [Target::cpu(u64::MAX), Target::webgpu()] {
            let lowered = lower(&layers(3), &target, sizes, Fusion::Full).unwrap();
            let drawing = plan(&lowered);
            for b in 0..lowered.buffers.len() {
                assert!(drawing.contains(&format!("buffer {b}: ")), "{drawing}");
            }
            assert!(drawing.starts_with("<svg ") && drawing.trim_end().ends_with("</svg>"));
            for tag in ["g", "text", "title"] {
                let opened = drawing.matches(&format!("<{tag}>")).count()
                    + drawing.matches(&format!("<{tag} ")).count();
                assert_eq!(opened, drawing.matches(&format!("</{tag}>")).count(), "{tag}");
            }
            assert!(drawing.contains("output y"), "{drawing}");
        }
    }
}
