//! What a running node says of itself, on stderr: for people, or a JSON object a line.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Human,
    Json,
}

/// Begins logging what that filter lets through. A second call in one process changes nothing.
pub(super) fn begin(format: LogFormat, filter: &str) {
    let filter = EnvFilter::new(filter);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let begun = match format {
        LogFormat::Human => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if begun.is_err() {
        tracing::debug!("logging had begun already");
    }
    hush_foreign_panics();
}

/// Panics of libraries that read foreign bytes are caught where they are called, and are no news: whoever sends such
/// bytes on purpose would fill the log, a backtrace each.
fn hush_foreign_panics() {
    const CAUGHT: [&str; 3] = ["/automerge-", "/hexane-", "/sled-"];
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(std::panic::Location::file).unwrap_or_default();
        if CAUGHT.iter().any(|library| place.contains(library)) {
            tracing::debug!(place, "a library panicked over foreign bytes");
        } else {
            usual(panic);
        }
    }));
}
