//! `shop`: the shops of the company.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Context;
use super::failure::Failure;
use super::founding::without_nulls;
use super::output::{items, table, text};

#[derive(Debug, Subcommand)]
pub(super) enum Shop {
    /// Les agences du réseau.
    List,
    /// Ouvrir une agence (siège seulement).
    Add {
        /// Son nom.
        name: String,
        /// Son numéro ; le prochain libre si absent.
        #[arg(long)]
        shop_id: Option<u32>,
    },
    /// Désigner l'appareil qui sert les anciennes applications d'une agence (siège ou gérant).
    Gateway {
        /// Le numéro de l'agence.
        #[arg(value_name = "AGENCE")]
        shop: u32,
        /// L'appareil : son nom ou sa clé.
        #[arg(long)]
        device: String,
    },
}

impl Shop {
    pub fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        let client = context.client()?;
        let printer = context.printer;
        match self {
            Shop::List => {
                let shops = client.get("/api/v1/shops")?;
                printer.answer(&shops, |shops| {
                    let row = |shop| {
                        let columns = ["id", "name", "town", "devices", "sims", "credits", "gateway"];
                        columns.map(|name| text(shop, name)).to_vec()
                    };
                    let rows: Vec<Vec<String>> = items(shops).iter().map(row).collect();
                    let head = [
                        "N°",
                        printer.pick("Agence", "Shop"),
                        printer.pick("Ville", "Town"),
                        printer.pick("Appareils", "Devices"),
                        "SIM",
                        printer.pick("Crédits", "Credits"),
                        printer.pick("Passerelle", "Gateway"),
                    ];
                    table(&head, &rows, &[0, 3, 4, 5])
                });
            }
            Shop::Add { name, shop_id } => {
                let shop = client.post("/api/v1/shops", &without_nulls(json!({ "name": name, "shop_id": shop_id })))?;
                printer.answer(&shop, |shop| {
                    format!("{} {} : {}", printer.pick("Agence", "Shop"), text(shop, "id"), text(shop, "name"))
                });
            }
            Shop::Gateway { shop, device } => {
                let shop = client.post(&format!("/api/v1/shops/{shop}/gateway"), &json!({ "device": device }))?;
                printer.answer(&shop, |shop| {
                    let (id, name, gateway) = (text(shop, "id"), text(shop, "name"), text(shop, "gateway"));
                    let french = format!(
                        "Agence {id} ({name}) : {gateway} sert désormais ses anciennes applications. Donnez-leur son adresse \
                         et un jeton fait sur cet appareil (ucash token create)."
                    );
                    let english = format!(
                        "Shop {id} ({name}): {gateway} serves its existing apps from now on. Give them its address and a \
                         token made on that device (ucash token create)."
                    );
                    printer.pick(&french, &english).to_owned()
                });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
