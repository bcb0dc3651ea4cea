//! Devices are values: two live side by side, each with its own threads and limits.

use m2::Device;
use m2_ir::{
    Sizes,
    plan::{Fusion, lower},
};

use crate::{
    ops::check::{batches, compare},
    passes::random_graph,
    support::case::table,
};

#[test]
fn two_devices_do_not_know_each_other() {
    let (one, many) = (Device::cpu_with_memory(1, 1000), Device::cpu(3));
    let ready = random_graph(11);
    let rows = &batches(11)[0];
    let t = table(rows);
    let class = Sizes { tokens: t.tokens(), rows: rows.len(), asked: 2, span: t.longest() }.class();
    // One device's limit is not the other's.
    lower(&ready.graph, &one.target(), class, Fusion::Full).unwrap_err();
    let one = Device::cpu(1);
    let mut programs = [&one, &many].map(|device| ready.load(device, class, Fusion::Full));
    let expected = ready.oracle(rows, &[0, 1]);
    for round in 0..3 {
        for (device, program) in [&one, &many].into_iter().zip(&mut programs) {
            let found = ready.run(device, program, class, rows, &[0, 1]);
            compare(&format!("{device}, round {round}"), &expected, &found, rows, 3e-5);
        }
    }
}
