//! What a running node says of itself, on stderr: for people, or a JSON object a line.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    Human,
    Json,
}

/// What is logged unless `UCASH_LOG` says otherwise.
const FILTER_DEFAULT: &str = "warn,ucash=info";

/// Begins logging. A second call in one process changes nothing.
pub(super) fn begin(format: LogFormat) {
    let filter = EnvFilter::try_from_env("UCASH_LOG").unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
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
