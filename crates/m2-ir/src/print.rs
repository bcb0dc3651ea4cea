//! Text dumps: stable, so that tests can compare them.

use std::fmt;

use crate::{Graph, Node, NodeId, Op, Plan, plan::Place};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, node) in self.iter() {
            writeln!(f, "{}", line(id, node))?;
        }
        for (name, id) in self.outputs() {
            writeln!(f, "output {name} = {id}")?;
        }
        Ok(())
    }
}

fn line(id: NodeId, node: &Node) -> String {
    let inputs: Vec<String> = node.inputs.iter().map(|i| i.to_string()).collect();
    let text = match &node.op {
        Op::Param | Op::Input => format!("{id} = {} {}", node.op.name(), node.ty),
        Op::Elementwise(e) => format!("{id} = {} {} ({})", e.expr, node.ty, inputs.join(", ")),
        op => format!("{id} = {op:?} {} ({})", node.ty, inputs.join(", ")),
    };
    format!("{text}  # {}", node.name)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.class;
        writeln!(
            f,
            "plan for {}, T {} R {} Q {} L {}, {} bytes",
            self.target.name,
            c.tokens,
            c.rows,
            c.asked,
            c.span,
            self.peak_bytes()
        )?;
        for (i, b) in self.buffers.iter().enumerate() {
            writeln!(f, "buffer {i}: {b} bytes")?;
        }
        for (title, steps) in [("once", &self.prologue), ("each run", &self.steps)] {
            writeln!(f, "{title}:")?;
            for step in steps {
                for (i, &id) in step.nodes.iter().enumerate() {
                    let mark = if i == 0 { "-" } else { " " };
                    let place = match self.places[id.index()] {
                        Place::Buffer(n) => format!("-> buffer {n}"),
                        Place::Frozen => "-> kept".into(),
                        Place::Region => "-> region".into(),
                        Place::Source | Place::View { .. } | Place::Unused => String::new(),
                    };
                    writeln!(f, "  {mark} {} {place}", line(id, self.graph.node(id)))?;
                }
            }
        }
        Ok(())
    }
}
