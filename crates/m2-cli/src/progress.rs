//! Progress on standard error; silent when that is not a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` things, or a counter where the total is not known. `message` names the things.
pub fn bar(total: Option<u64>, message: &'static str) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} {msg}, {per_sec}",
    };
    let bar = match total {
        Some(n) => ProgressBar::new(n),
        None => ProgressBar::new_spinner(),
    };
    let hidden = std::env::var_os("HF_HUB_DISABLE_PROGRESS_BARS").is_some_and(|v| v == "1");
    bar.set_draw_target(match hidden {
        true => ProgressDrawTarget::hidden(),
        // Hidden by itself where standard error is not a terminal.
        false => ProgressDrawTarget::stderr(),
    });
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(message);
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// A bar over the kernels that a GPU's driver compiles, for a device to call.
#[cfg(feature = "gpu")]
pub fn compiling() -> impl Fn(usize, usize) + Send + Sync {
    let shown = std::sync::OnceLock::new();
    move |done, total| {
        let bar: &ProgressBar = shown.get_or_init(|| bar(Some(0), "kernels compiled"));
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        if done == total {
            bar.finish_and_clear();
        }
    }
}

/// A bar over the bytes of a download.
#[cfg(feature = "hub")]
pub fn bytes() -> ProgressBar {
    let bar = bar(Some(0), "");
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    bar
}
