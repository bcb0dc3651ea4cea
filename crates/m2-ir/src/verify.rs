//! The rules every graph keeps, checked after each pass when the feature `checks` is on.

use crate::{Error, Graph, Type};

impl Graph {
    /// Checks that operands come before their readers, that every type is the one its op infers,
    /// and that outputs exist.
    ///
    /// # Errors
    /// The first rule that is broken: a mistake of a pass, never of a model.
    pub fn verify(&self) -> Result<(), Error> {
        let broken = |what: String| Err(Error::Internal(what));
        for (id, node) in self.iter() {
            if let Some(late) = node.inputs.iter().find(|i| **i >= id) {
                return broken(format!("{id} reads {late}, which comes after it"));
            }
            if node.op.is_source() {
                continue;
            }
            let types: Vec<&Type> = node.inputs.iter().map(|i| &self.node(*i).ty).collect();
            match node.op.rule().infer(&types) {
                Ok(ty) if ty == node.ty => {}
                Ok(ty) => return broken(format!("{id} is {} and should be {ty}", node.ty)),
                Err(problem) => return broken(format!("{id}: {} {problem}", node.op.name())),
            }
        }
        match self.outputs().iter().find(|(_, id)| id.index() >= self.nodes().len()) {
            Some((name, id)) => broken(format!("output {name} is {id}, which is no node")),
            None => Ok(()),
        }
    }

    /// Checks that another graph promises the same outputs: names and types, in order.
    ///
    /// # Errors
    /// The first output that differs.
    pub fn same_outputs(&self, other: &Graph) -> Result<(), Error> {
        let list = |g: &Graph| -> Vec<(String, Type)> {
            g.outputs().iter().map(|(n, id)| (n.clone(), g.node(*id).ty.clone())).collect()
        };
        let (ours, theirs) = (list(self), list(other));
        if ours == theirs {
            return Ok(());
        }
        Err(Error::Internal(format!("outputs {ours:?} became {theirs:?}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Builder, DType, Dim, ops::Softmax};

    #[test]
    fn outputs_must_stay() {
        let build = |name: &str| {
            let mut g = Builder::new();
            let x = g.input("x", [Dim::Tokens, Dim::Fixed(4)], DType::F32);
            let y = g.add(Softmax, &[x]).unwrap();
            g.output(name, y);
            g.finish()
        };
        let (a, b) = (build("y"), build("z"));
        a.verify().unwrap();
        a.same_outputs(&a).unwrap();
        assert!(a.same_outputs(&b).unwrap_err().to_string().contains("became"));
    }
}
