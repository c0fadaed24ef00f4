//! `ucash export`: what is on a list is in the file, to the cent, with the filters of the list, and never a formula.

use std::collections::BTreeMap;
use std::path::Path;

use calamine::{Data, Reader, Xlsx, open_workbook};
use serde_json::{Value, json};
use ucash::http::export::neutral;
use ucash::sample::Size;

use crate::process::{Shop, ucash};
use crate::totals::{cents, made_up};

const COMPANY: Size = Size { shops: 3, sims_per_shop: 2, captures_per_sim: 4, credits: 620 };

#[test]
fn text_is_never_a_formula() {
    // What a hostile client may call itself, and what is written.
    let table = [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1+1)", "'@SUM(1+1)"),
        ("\t=1+1", "'\t'=1+1"),
        ("\r=1+1", "'\r'=1+1"),
        ("\n=1+1", "'\n'=1+1"),
        ("  =1+1", "  '=1+1"),
        ("\u{a0}=1+1", "\u{a0}'=1+1"),
        ("\u{feff}=1+1", "\u{feff}'=1+1"),
        ("\u{200b}=1+1", "\u{200b}'=1+1"),
        ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
        ("\u{ff0b}1", "'\u{ff0b}1"),
        ("\u{ff0d}1", "'\u{ff0d}1"),
        ("\u{ff20}SUM", "'\u{ff20}SUM"),
        ("Jean;=1+1", "Jean;'=1+1"),
        ("Jean,=1+1", "Jean,'=1+1"),
        ("Jean\t=1+1", "Jean\t'=1+1"),
        ("Jean|@A1", "Jean|'@A1"),
        ("Jean\",\"=1+1", "Jean\",\"'=1+1"),
        ("Jean'=1", "Jean''=1"),
        ("Jean\r\n=1+1", "Jean\r\n'=1+1"),
        ("Jean; =1+1", "Jean; '=1+1"),
        ("\"=1+1\"", "\"'=1+1\""),
        ("==1", "'==1"),
        ("+243971777631=1", "'+243971777631=1"),
        ("+", "'+"),
        ("+ 1", "'+ 1"),
        // What is left as it is.
        ("+243971777631", "+243971777631"),
        ("+243 971 777 631", "+243 971 777 631"),
        ("Jean-Pierre", "Jean-Pierre"),
        ("a=b", "a=b"),
        ("jean@exemple.cd", "jean@exemple.cd"),
        ("Chez Maman + Fils", "Chez Maman + Fils"),
        ("", ""),
        ("'déjà", "'déjà"),
    ];
    for (text, expected) in table {
        assert_eq!(neutral(text), expected, "{text:?}");
    }
}

/// Whether some spreadsheet runs a cell that begins so.
fn begins_a_formula(cell: &str) -> bool {
    let is_phone = cell.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let signs = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    !is_phone && cell.starts_with(signs)
}

type Table = Vec<BTreeMap<String, String>>;

/// A CSV file read by the letter: quotes doubled, fields closed, as many cells in each row as there are names.
#[track_caller]
fn read_csv(path: &Path, separator: char) -> Table {
    let bytes = std::fs::read(path).expect("the file is there");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let mut records: Vec<Vec<String>> = vec![vec![]];
    let (mut cell, mut quoted, mut closed) = (String::new(), false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let record = records.last_mut().expect("one at least");
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => cell.push(characters.next().expect("a quote")),
            '"' if quoted => (quoted, closed) = (false, true),
            c if quoted => cell.push(c),
            '"' => {
                assert!(cell.is_empty() && !closed, "a quote within a bare field of {record:?}");
                quoted = true;
            }
            c if c == separator => (record.push(std::mem::take(&mut cell)), closed = false).0,
            '\r' => {
                assert_eq!(characters.next(), Some('\n'), "lines end with CR LF");
                record.push(std::mem::take(&mut cell));
                closed = false;
                records.push(vec![]);
            }
            c => {
                assert!(!closed && c != '\n', "{c:?} after a closed field of {record:?}");
                cell.push(c);
            }
        }
    }
    assert!(!quoted && records.pop().is_some_and(|last| last.is_empty()) && cell.is_empty(), "the last line ends");
    named(records)
}

#[track_caller]
fn named(records: Vec<Vec<String>>) -> Table {
    let (names, rows) = records.split_first().expect("a heading");
    let row = |row: &Vec<String>| {
        assert_eq!(row.len(), names.len(), "{row:?}");
        names.iter().cloned().zip(row.iter().cloned()).collect()
    };
    rows.iter().map(row).collect()
}

/// The sheets of a workbook as text; amounts are read from the numbers to the cent.
#[track_caller]
fn read_xlsx(path: &Path) -> Table {
    let mut book: Xlsx<_> = open_workbook(path).expect("a workbook");
    let name = book.sheet_names()[0].clone();
    for sheet in book.sheet_names() {
        let formulas = book.worksheet_formula(&sheet).expect("readable");
        assert!(formulas.cells().all(|(_, _, formula)| formula.is_empty()), "no cell is a formula");
    }
    let sheet = book.worksheet_range(&name).expect("a sheet");
    let cell = |cell: &Data| match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Float(number) => format!("{number:.2}"),
        Data::Int(number) => number.to_string(),
        Data::DateTime(time) => time.to_ymd_hms_milli().0.to_string(),
        other => panic!("an unexpected cell {other:?}"),
    };
    named(sheet.rows().map(|row| row.iter().map(cell).collect()).collect())
}

fn file(shop: &Shop, name: &str) -> String {
    shop.beside(name).to_str().expect("Unicode").to_owned()
}

#[track_caller]
fn export(shop: &Shop, name: &str, words: &[&str]) -> String {
    let path = file(shop, name);
    let told = shop.ok(&[&["export", "--output", &path], words].concat());
    assert_eq!(told["file"], json!(path));
    assert_eq!(told["bytes"], json!(std::fs::metadata(&path).expect("written").len()));
    path
}

#[track_caller]
fn list(shop: &Shop, words: &[&str]) -> Vec<Value> {
    let page = shop.ok(&[&["credit", "list", "--limit", "1000"], words].concat());
    assert_eq!(page["next"], Value::Null, "all of them");
    page["items"].as_array().expect("items").clone()
}

#[track_caller]
fn read_json(path: &str) -> Vec<Value> {
    let page: Value = serde_json::from_slice(&std::fs::read(path).expect("written")).expect("JSON");
    assert_eq!(page["next"], Value::Null);
    page["items"].as_array().expect("items").clone()
}

fn texts<'a>(rows: &'a Table, name: &'a str) -> Vec<&'a str> {
    rows.iter().map(|row| row.get(name).unwrap_or_else(|| panic!("no {name} in {row:?}")).as_str()).collect()
}

fn shown<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap_or_default()).collect()
}

#[test]
fn a_file_holds_what_the_list_shows_in_every_form_and_with_every_filter() {
    let mut shop = Shop::found("siege", "Export", 1);
    let tables = made_up(&shop, 5, COMPANY);
    shop.ok(&["import", tables.to_str().expect("Unicode")]);
    let sim = shop.ok(&["sim", "list"])["items"][0]["sim"].as_str().expect("a number").to_owned();
    let some = list(&shop, &[]);
    let reference = some[7]["reference"].as_str().expect("a text").to_owned();
    let day = some[300]["granted_at"].as_str().expect("a time")[..10].to_owned();
    let filters: [&[&str]; 11] = [
        &[],
        &["--shop", "2"],
        &["--sim", &sim],
        &["--status", "paye"],
        &["--status", "enRetard"],
        &["--currency", "CDF"],
        &["--from", &day],
        &["--to", &day],
        &["--beneficiary", "a"],
        &["--overdue"],
        &["--reference", &reference],
    ];
    for (running, filters) in [(false, &filters[..2]), (true, &filters[..])] {
        if running {
            shop.start(&[]);
        }
        let mut sizes = Vec::new();
        for (index, filter) in filters.iter().enumerate() {
            let listed = list(&shop, filter);
            sizes.push(listed.len());
            let name = |ending: &str| format!("{running}-{index}.{ending}");
            let items = read_json(&export(&shop, &name("json"), &[&["--format", "json"], *filter].concat()));
            assert_eq!(items, listed, "{filter:?}: as the API shows them");

            let path = export(&shop, &name("csv"), &[&["--format", "csv"], *filter].concat());
            let rows = read_csv(Path::new(&path), ',');
            for column in ["reference", "amount", "paid", "remaining", "overpaid", "currency", "status", "granted_at"] {
                assert_eq!(texts(&rows, column), shown(&listed, column), "{filter:?}, {column}");
            }
        }
        // More than a page, some of them, and not all of them: the filters filter.
        assert_eq!(sizes[0], 620);
        assert!(sizes[1..].iter().all(|size| (1..620).contains(size)), "{sizes:?}");
    }

    // A spreadsheet, in both languages.
    let words = ["--format", "xlsx", "--shop", "2"];
    let listed = list(&shop, &["--shop", "2"]);
    let french = read_xlsx(Path::new(&export(&shop, "fr.xlsx", &words)));
    assert_eq!(texts(&french, "Référence"), shown(&listed, "reference"));
    for (heading, name) in [("Montant", "amount"), ("Payé", "paid"), ("Reste", "remaining"), ("Devise", "currency")] {
        assert_eq!(texts(&french, heading), shown(&listed, name), "{heading}");
    }
    let english = read_xlsx(Path::new(&export(&shop, "en.xlsx", &[&words[..], &["--lang", "en"]].concat())));
    assert_eq!(texts(&english, "Amount"), shown(&listed, "amount"));

    // A French spreadsheet's CSV: marked, semicolons, a comma before the cents.
    let path = export(&shop, "fr.csv", &["--format", "csv", "--separator", ";"]);
    let text = std::fs::read_to_string(&path).expect("UTF-8");
    assert!(text.starts_with("\u{feff}Référence;Statut;Montant;"), "{}", &text[..60]);
    let rows = read_csv(Path::new(&path), ';');
    let commas: Vec<String> =
        some.iter().map(|item| item["amount"].as_str().expect("a text").replace('.', ",")).collect();
    assert_eq!(texts(&rows, "Montant"), commas);

    // What the file adds up to is what the node adds up, by currency and never across.
    let sums = shop.ok(&["credit", "stats"]);
    let rows = read_csv(Path::new(&export(&shop, "all.csv", &["--format", "csv"])), ',');
    for currency in ["USD", "CDF"] {
        let of = |name: &str| -> i128 {
            let counted = rows.iter().filter(|row| row["currency"] == currency && row["status"] != "annule");
            counted.map(|row| cents(&row[name])).sum()
        };
        assert!(of("amount") > 0);
        assert_eq!(of("amount"), cents(sums[currency]["granted"].as_str().expect("a sum")), "{currency}");
        assert_eq!(of("paid"), cents(sums[currency]["paid"].as_str().expect("a sum")), "{currency}");
    }

    // Payments: every one of every credit, those not reversed adding up to what is paid.
    let payments = read_csv(Path::new(&export(&shop, "payments.csv", &["--format", "csv", "--what", "payments"])), ',');
    let listed: usize = some.iter().map(|credit| credit["payments"].as_array().expect("a list").len()).sum();
    assert_eq!(payments.len(), listed);
    let paid: i128 = payments.iter().filter(|row| row["reversed"] == "false").map(|row| cents(&row["amount"])).sum();
    assert_eq!(paid, some.iter().map(|credit| cents(credit["paid"].as_str().expect("a sum"))).sum::<i128>());
    let open = some.iter().find(|credit| credit["status"] == "accorde").expect("an open credit");
    let paid = shop.ok(&["credit", "pay", open["id"].as_str().expect("an id"), "--amount", "0.01"]);
    let at = paid["payments"][0]["at"].as_str().expect("a time");
    for (edge, expected) in [("--from", 1), ("--to", listed)] {
        let words = ["--format", "csv", "--what", "payments", edge, at];
        let rows = read_csv(Path::new(&export(&shop, &format!("p{edge}.csv"), &words)), ',');
        assert_eq!(rows.len(), expected, "{edge} {at}");
    }

    // Movements: those of each SIM.
    let movements = read_json(&export(&shop, "m.json", &["--format", "json", "--what", "movements"]));
    let mut listed = Vec::new();
    for sim in shop.ok(&["sim", "list"])["items"].as_array().expect("a list") {
        let page = shop.ok(&["sim", "movements", sim["sim"].as_str().expect("a number")]);
        listed.extend(page["items"].as_array().expect("a list").clone());
    }
    assert_eq!(movements, listed);
    for (words, name, value) in
        [(["--shop", "3"], "shop_id", json!(3)), (["--currency", "USD"], "currency", json!("USD"))]
    {
        let path = export(
            &shop,
            &format!("m-{name}.json"),
            &[&["--format", "json", "--what", "movements"], &words[..]].concat(),
        );
        let narrowed = read_json(&path);
        let expected: Vec<&Value> = movements.iter().filter(|item| item[name] == value).collect();
        assert!(!expected.is_empty() && expected.len() < movements.len());
        assert_eq!(narrowed.iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_list_of_nothing_is_a_whole_file() {
    let shop = Shop::found("siege", "Export", 1);
    for what in ["credits", "payments", "movements"] {
        let words = |format| ["--what", what, "--format", format];
        assert_eq!(read_json(&export(&shop, &format!("{what}.json"), &words("json"))), [] as [Value; 0]);
        let csv = export(&shop, &format!("{what}.csv"), &words("csv"));
        let text = std::fs::read_to_string(&csv).expect("UTF-8");
        assert_eq!(text.lines().count(), 1, "a heading: {text}");
        assert!(read_xlsx(Path::new(&export(&shop, &format!("{what}.xlsx"), &words("xlsx")))).is_empty());
    }
}

#[test]
fn what_a_client_is_called_is_no_formula_in_any_file() {
    let mut shop = Shop::found("siege", "Export", 1);
    let sim = "+243971777631";
    shop.ok(&["sim", "add", sim, "--operator", "Airtel", "--initial-usd", "9999999999999.99"]);
    shop.start(&[]);
    let names = [
        "=HYPERLINK(\"http://evil\")",
        "+1+1",
        "-1+1",
        "@SUM(1)",
        "\u{ff1d}1+1",
        "a;=1+1",
        "\"=1+1",
        "a, \"b\"\u{2028}",
    ];
    for (index, name) in names.iter().enumerate() {
        let body = json!({
            "reference": format!("R{index}"), "amount": "0.01", "currency": "USD", "sim": sim,
            "beneficiary": {"name": name, "phone": "+243971777632", "address": name}, "notes": name, "agent": name,
        });
        let answer = shop.face().post("/api/v1/credits", &format!("k{index}"), &body).expect("an answer");
        assert_eq!(answer.status, 201, "{name:?}: {answer:?}");
    }
    // An amount that a spreadsheet would round.
    let body = json!({
        "reference": "BIG", "amount": "9999999999998.99", "currency": "USD", "sim": sim, "beneficiary": {"name": "x"},
    });
    assert_eq!(shop.face().post("/api/v1/credits", "big", &body).expect("an answer").status, 201);

    for (separator, sign) in [("comma", ','), ("semicolon", ';'), ("tab", '\t')] {
        let path = export(&shop, &format!("{separator}.csv"), &["--format", "csv", "--separator", separator]);
        for row in read_csv(Path::new(&path), sign) {
            for (name, cell) in &row {
                assert!(!begins_a_formula(cell), "{separator}, {name}: {cell:?}");
            }
        }
    }
    let plain = read_csv(&shop.beside("comma.csv"), ',');
    assert_eq!(plain.iter().find(|row| row["reference"] == "BIG").expect("there")["amount"], "9999999999998.99");
    assert!(plain.iter().all(|row| row["sim"] == sim), "a number stays what it is");
    // In a sheet every text is a string cell, whatever it says (`read_xlsx` refuses formulas).
    let sheet = read_xlsx(Path::new(&export(&shop, "evil.xlsx", &["--format", "xlsx"])));
    let listed = list(&shop, &[]);
    let said: Vec<&str> = listed.iter().map(|item| item["beneficiary"]["name"].as_str().expect("a name")).collect();
    assert_eq!(texts(&sheet, "Bénéficiaire"), said);
    assert_eq!(texts(&sheet, "Montant"), shown(&listed, "amount"));

    // What is there is kept, and what is refused leaves nothing.
    let path = file(&shop, "comma.csv");
    let again = shop.run(&["export", "--format", "csv", "--output", &path]);
    assert_eq!((again.code, &again.error()["code"]), (Some(1), &json!("file_exists")));
    shop.ok(&["export", "--format", "csv", "--output", &path, "--force"]);
    let wrong = shop.run(&["export", "--format", "csv", "--status", "perdu", "--output", &file(&shop, "none.csv")]);
    assert_eq!((wrong.code, &wrong.error()["code"]), (Some(1), &json!("invalid_field")));
    // What does not apply to a list of conflicts is refused, not ignored.
    let words = ["export", "--format", "csv", "--what", "conflicts", "--overdue", "--output", &file(&shop, "none.csv")];
    assert_eq!(shop.run(&words).error()["code"], "unknown_field");
    let left = std::fs::read_dir(shop.beside("")).expect("the directory");
    let names: Vec<String> =
        left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| !name.contains("partial") && !name.contains("none")), "{names:?}");

    // Without a file it goes to the standard output, and nothing but it.
    let data = shop.directory().to_str().expect("Unicode").to_owned();
    let piped = ucash(&["--data", &data, "export", "--format", "csv"]);
    assert_eq!(piped.code, Some(0));
    assert_eq!(piped.stdout, std::fs::read_to_string(&path).expect("UTF-8"));
}
