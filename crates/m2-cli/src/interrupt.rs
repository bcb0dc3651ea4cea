//! Ctrl-C: the running batch ends, what is finished is kept. A second one ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Catches Ctrl-C from now on.
pub fn catch() {
    let handler = || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("m2: finishing the running batch; Ctrl-C again ends at once");
    };
    // It fails where a handler is set already or the system has no signals: Ctrl-C then just ends.
    let _ = ctrlc::set_handler(handler);
}

/// Whether Ctrl-C was pressed.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}
