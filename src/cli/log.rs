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
}
