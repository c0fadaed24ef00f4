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
                if expires.is_none() {
                    printer.remark(printer.pick(
                        "Ce jeton n'a pas d'échéance : retirez-le (ucash token revoke) dès qu'il ne sert plus, ou refaites-le avec --expires 90d.",
                        "This token has no end: revoke it (ucash token revoke) once it is no longer used, or make it anew with --expires 90d.",
                    ));
                }
                if !read_only && shop.len() > 1 {
                    printer.remark(printer.pick(
                        "Ce jeton permet d'écrire dans plusieurs agences : un jeton par agence limite ce qu'un vol permet.",
                        "This token may write in several shops: a token for each limits what a theft makes possible.",
                    ));
                }
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
                        let is = |name| token.get(name) == Some(&Value::Bool(true));
                        let right = if is("read_only") {
                            printer.pick("lire", "read")
                        } else {
                            printer.pick("lire et écrire", "read and write")
                        };
                        let expired = if is("expired") { printer.pick(" (expiré)", " (expired)") } else { "" };
                        vec![
                            text(token, "id"),
                            text(token, "name"),
                            shops,
                            right.to_owned(),
                            minute(token, "last_used_at"),
                            minute(token, "expires_at") + expired,
                        ]
                    };
                    let rows: Vec<Vec<String>> = items(tokens).iter().map(row).collect();
                    let head = [
                        "Id",
                        printer.pick("Nom", "Name"),
                        printer.pick("Agences", "Shops"),
                        printer.pick("Droit", "May"),
                        printer.pick("Dernier usage", "Last use"),
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
