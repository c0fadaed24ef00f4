//! The existing app, played: rows of its own, numbers of its own, its loop, and its mistakes.
//!
//! It downloads since its mark, keeps its own row where that is the newer one, uploads what it believes unsent, takes the
//! numbers that it is told and stamps those rows as changed now, and takes its mark last. After a restart it has its
//! rows and no mark.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::TimeZone;
use chrono_tz::Africa::Lubumbashi;
use serde_json::{Value, json};

use crate::process::{Answer, Face, PATIENCE};

/// The first mark of an app that has none.
const NO_MARK: &str = "2020-01-01T00:00:00.000";

/// A row as the app keeps it.
#[derive(Clone, Debug)]
pub struct Row {
    /// As on the wire.
    pub fields: Value,
    /// Whether it believes that the server has it.
    pub sent: bool,
}

impl Row {
    pub fn reference(&self) -> &str {
        self.fields["reference"].as_str().expect("a reference")
    }

    pub fn cents(&self, field: &str) -> i64 {
        cents(&self.fields[field])
    }

    fn stamp(&self) -> &str {
        self.fields["last_modified_at"].as_str().unwrap_or_default()
    }
}

/// A number of at most two decimals, exactly.
pub fn cents(number: &Value) -> i64 {
    let text = number.to_string();
    let text = text.trim_matches('"');
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{part:0<2}");
    assert!(part.len() <= 2, "more than two decimals: {text}");
    digits.parse().unwrap_or_else(|_| panic!("no amount: {text}"))
}

/// A number of cents, as the app's floats write it.
pub fn amount(cents: i64) -> Value {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    serde_json::from_str(text.trim_end_matches('0').trim_end_matches('.')).expect("a number")
}

/// What of a round is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Nothing,
    /// The answer to the download.
    Download,
    /// The answer to the upload.
    Upload,
}

/// One installed app.
pub struct App {
    pub face: Face,
    http: String,
    pub token: String,
    pub shop: u32,
    /// What deployed addresses end in.
    pub base: &'static str,
    pub rows: Vec<Row>,
    /// How far its clock is ahead, in milliseconds.
    pub clock_off_ms: i64,
    mark: Option<String>,
    next_id: u64,
    /// What the last upload told of rows that were refused.
    pub errors: Vec<Value>,
    /// How many rows the last round uploaded.
    pub uploaded: usize,
    /// How many rows the last download brought.
    pub downloaded: usize,
    /// How many rows it took over what it had not uploaded.
    pub forgotten: usize,
}

impl App {
    /// An app that was just installed, pointed at that node.
    pub fn new(face: &Face, http: &str, token: &str, shop: u32) -> App {
        App {
            face: face.clone(),
            http: http.to_owned(),
            token: token.to_owned(),
            shop,
            base: "/server/api",
            rows: Vec::new(),
            clock_off_ms: 0,
            mark: None,
            next_id: 1,
            errors: Vec::new(),
            uploaded: 0,
            downloaded: 0,
            forgotten: 0,
        }
    }

    /// It is given another address and token.
    pub fn point_at(&mut self, face: &Face, http: &str, token: &str) {
        (self.face, self.http, self.token) = (face.clone(), http.to_owned(), token.to_owned());
    }

    /// Its clock, as it writes times: in its zone, without saying so.
    pub fn clock(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let now = i64::try_from(since).expect("in range") + self.clock_off_ms;
        let local = Lubumbashi.timestamp_millis_opt(now).single().expect("one time");
        local.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
    }

    #[track_caller]
    pub fn row(&self, reference: &str) -> &Row {
        let found = self.rows.iter().find(|row| row.reference() == reference);
        found.unwrap_or_else(|| panic!("the app has no {reference}"))
    }

    /// The cashier grants a credit.
    pub fn grant(&mut self, reference: &str, sim: &str, cents: i64) {
        let now = self.clock();
        let id = self.next_id;
        self.next_id += 1;
        let fields = json!({
            "id": id, "reference": reference, "montant_credit": amount(cents), "devise": "USD",
            "beneficiaire_nom": "Zoé Mumbere", "beneficiaire_telephone": null, "beneficiaire_adresse": null,
            "type_beneficiaire": "partenaire", "sim_numero": sim, "shop_id": self.shop, "shop_designation": "Siège",
            "agent_id": 3, "agent_username": "agent_3", "statut": "accorde", "date_sortie": now,
            "date_paiement": null, "date_echeance": null, "notes": null, "montant_paye": 0,
            "mode_paiement": null, "reference_paiement": null, "last_modified_at": now,
            "last_modified_by": "agent_3", "is_synced": 0, "synced_at": null,
        });
        self.rows.push(Row { fields, sent: false });
    }

    /// The cashier changes a row.
    #[track_caller]
    pub fn edit(&mut self, reference: &str, change: impl FnOnce(&mut Value)) {
        let now = self.clock();
        let found = self.rows.iter_mut().find(|row| row.reference() == reference);
        let row = found.unwrap_or_else(|| panic!("the app has no {reference}"));
        change(&mut row.fields);
        row.fields["last_modified_at"] = json!(now);
        row.fields["is_synced"] = json!(0);
        row.sent = false;
    }

    /// The cashier takes a payment.
    #[track_caller]
    pub fn pay(&mut self, reference: &str, paid: i64) {
        let now = self.clock();
        self.edit(reference, |fields| {
            let total = cents(&fields["montant_paye"]) + paid;
            let whole = cents(&fields["montant_credit"]);
            fields["montant_paye"] = amount(total);
            fields["statut"] = json!(if total >= whole { "paye" } else { "partiellementPaye" });
            fields["date_paiement"] = json!(now);
            fields["mode_paiement"] = json!("cash");
        });
    }

    /// It is closed and opened again.
    pub fn restart(&mut self) {
        self.mark = None;
    }

    fn path(&self, path: &str) -> String {
        format!("{}{path}.php", self.base)
    }

    /// A request of its own making, with its token.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        let bearer = format!("Bearer {}", self.token);
        self.face.request(method, path, &[("Authorization", &bearer)], body)
    }

    /// A body as it is written, not as a JSON library would write it.
    pub fn ask_raw(&self, path: &str, body: &str) -> Result<Answer, String> {
        let bearer = format!("Bearer {}", self.token);
        self.face.request_text("POST", path, &[("Authorization", &bearer)], body)
    }

    /// Sends a request and hangs up before the answer; once the request is whole, whatever it does is done.
    fn ask_and_hang_up(&self, method: &str, path: &str, body: Option<&Value>) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.http,
            self.token,
            body.len(),
        );
        let Ok(mut stream) = TcpStream::connect(&self.http) else { return };
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        if sent.is_ok() {
            // The first byte says that it was done; the rest is lost.
            let _ = stream.read(&mut [0]);
        }
    }

    /// One turn of its loop. `false`: it could not be had, and changes nothing more.
    pub fn round(&mut self, lost: Lost) -> bool {
        self.download(lost) && self.upload(lost)
    }

    /// Turns until its loop has nothing to do.
    #[track_caller]
    pub fn settle(&mut self) {
        for _ in 0..12 {
            let was_quiet = self.round(Lost::Nothing) && self.uploaded == 0 && self.downloaded == 0;
            if was_quiet {
                return;
            }
        }
        let unsent: Vec<&Value> = self.rows.iter().filter(|row| !row.sent).map(|row| &row.fields).collect();
        panic!("the app finds no rest: {} came; unsent {unsent:?}; errors {:?}", self.downloaded, self.errors);
    }

    /// Downloads since its mark, and keeps its own row where that is not older.
    pub fn download(&mut self, lost: Lost) -> bool {
        self.downloaded = 0;
        let since = self.mark.clone().unwrap_or_else(|| NO_MARK.to_owned());
        let path = format!("{}?shop_id={}&since={since}", self.path("/api/credit-virtuels/download"), self.shop);
        if lost == Lost::Download {
            self.ask_and_hang_up("GET", &path, None);
            return false;
        }
        let Ok(answer) = self.ask("GET", &path, None) else { return false };
        if answer.status != 200 {
            return false;
        }
        let Value::Array(rows) = answer.json() else { panic!("no bare array: {answer:?}") };
        self.downloaded = rows.len();
        rows.into_iter().for_each(|row| self.take(row));
        true
    }

    fn take(&mut self, fields: Value) {
        let same_id = self.rows.iter().position(|row| row.fields["id"] == fields["id"]);
        let same_reference = || self.rows.iter().position(|row| row.fields["reference"] == fields["reference"]);
        let new = Row { fields: fields.clone(), sent: true };
        match same_id.or_else(same_reference) {
            None => self.rows.push(new),
            Some(at) => {
                if new.stamp() > self.rows[at].stamp() {
                    self.forgotten += usize::from(!self.rows[at].sent);
                    self.rows[at] = new;
                }
            }
        }
    }

    /// Uploads what it believes unsent, and marks what it is told was taken.
    pub fn upload(&mut self, lost: Lost) -> bool {
        let unsent: Vec<Value> = self.rows.iter().filter(|row| !row.sent).map(|row| row.fields.clone()).collect();
        self.uploaded = unsent.len();
        self.errors.clear();
        if !unsent.is_empty() {
            let body = json!({ "shop_id": self.shop, "credits": unsent });
            let path = self.path("/api/credit-virtuels/batch");
            if lost == Lost::Upload {
                self.ask_and_hang_up("POST", &path, Some(&body));
                return false;
            }
            let Ok(answer) = self.ask("POST", &path, Some(&body)) else { return false };
            if answer.status != 200 {
                return false;
            }
            let answer = answer.json();
            for entry in answer["synced_credits"].as_array().expect("a list") {
                self.mark_sent(entry);
            }
            self.errors = answer["errors"].as_array().expect("a list").clone();
        }
        self.mark = Some(self.clock());
        true
    }

    fn mark_sent(&mut self, entry: &Value) {
        let now = self.clock();
        let Some(row) = self.rows.iter_mut().find(|row| row.fields["id"] == entry["id"]) else { return };
        row.fields["id"] = entry["server_id"].clone();
        row.fields["is_synced"] = json!(1);
        row.fields["synced_at"] = json!(now);
        row.fields["last_modified_at"] = json!(now);
        row.sent = true;
    }
}
