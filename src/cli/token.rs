//! `token`: bearer tokens of this node's API, shown once.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::client::path;
use super::failure::Failure;
use super::founding::without_nulls;
use super::moments::duration;
use super::output::{items, minute, table, text};

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Faire un jeton ; il n'est montré qu'une fois.
    Create {
        /// À quoi il sert.
        #[arg(long)]
        name: String,
        /// Les agences qu'il ouvre.
        #[arg(long, required = true)]
        shop: Vec<u32>,
        /// Lecture seule.
        #[arg(long)]
        read_only: bool,
        /// Combien de temps il vaut.
        #[arg(long, value_parser = duration)]
        expires: Option<Duration>,
    },
    /// Les jetons de ce nœud.
    List,
    /// Retirer un jeton, tout de suite.
    Revoke {
        /// Son id.
        id: String,
    },
}

impl Token {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        match self {
            Token::Create { name, shop, read_only, expires } => {
                let body = json!({
                    "name": name, "shops": shop, "read_only": read_only,
                    "expires": expires.map(|expires| format!("{}s", expires.as_secs().max(1))),
                });
                let token = client.post("/api/v1/tokens", &without_nulls(body))?;
                printer.answer(&token, |token| {
                    let once = printer.pick("Il n'est montré qu'une fois : gardez-le.", "It is shown once: keep it.");
                    format!("{}\n{once}", text(token, "token"))
                });
            }
            Token::List => {
                let tokens = client.get("/api/v1/tokens")?;
                printer.answer(&tokens, |tokens| {
                    let row = |token: &Value| {
                        let shops = token.get("shops").map(Value::to_string).unwrap_or_default();
                        vec![text(token, "id"), text(token, "name"), shops, minute(token, "expires_at")]
                    };
                    let rows: Vec<Vec<String>> = items(tokens).iter().map(row).collect();
                    let head = [
                        "Id",
                        printer.pick("Nom", "Name"),
                        printer.pick("Agences", "Shops"),
                        printer.pick("Échéance", "Expires"),
                    ];
                    table(&head, &rows, &[])
                });
            }
            Token::Revoke { id } => {
                let answer = client.delete(&path(&["tokens", &id], &[]))?;
                printer.answer(&answer, |_| printer.pick("Jeton retiré.", "Token revoked.").to_owned());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
