//! Shares, the move of a SIM, the return of a cancelled amount, the closing of a device: what is told to the engine
//! and what is answered, and each request that is not one.

use axum::http::Method;
use serde_json::{Value, json};
use ucash::http::{ApiError, Language};
use ucash::ledger::{OtherShare, Refusal};
use ucash::model::{ShopId, SimNumber, Timestamp};
use ucash::money::{Amount, Currency};
use ucash::replica::Command;

use super::fake::{Ask, Node, SIM_1, SIM_2};

fn sim(number: &str) -> SimNumber {
    SimNumber::new(number).expect("a number")
}

fn amount(text: &str, currency: Currency) -> Amount {
    Amount::parse(text, currency).expect("an amount")
}

#[tokio::test]
async fn what_is_asked_reaches_the_engine_as_it_was_meant() {
    let node = Node::start();
    let shares = format!("/api/v1/sims/{SIM_1}/share-requests");
    let cases = [
        (
            shares.as_str(),
            json!({"give": "20.5", "currency": "usd", "to": "phone"}),
            201,
            Command::GiveShare { sim: sim(SIM_1), amount: amount("20.50", Currency::Usd), to: "phone".to_owned() },
        ),
        (
            &shares,
            json!({"ask": "7000", "currency": "CDF", "give": null}),
            201,
            Command::AskShare { sim: sim(SIM_1), amount: amount("7000", Currency::Cdf) },
        ),
        (
            "/api/v1/sims/+243000001/move",
            json!({"shop_id": 2}),
            200,
            Command::MoveSim { sim: sim(SIM_1), shop: ShopId(2) },
        ),
        ("/api/v1/credits/CRED-1/return", json!({}), 200, Command::ReturnCredit { credit: "CRED-1".to_owned() }),
        (
            "/api/v1/devices/phone/closing",
            json!({"successor": "pc", "insist": true}),
            200,
            Command::CloseDevice { device: "phone".to_owned(), successor: Some("pc".to_owned()), insist: true },
        ),
        (
            "/api/v1/devices/phone/closing",
            json!({}),
            200,
            Command::CloseDevice { device: "phone".to_owned(), successor: None, insist: false },
        ),
    ];
    for (path, body, status, command) in cases {
        let told = node.ask(Ask::post(path, &body).header("idempotency-key", "k")).await;
        assert_eq!(told.status.as_u16(), status, "{path} {body}: {told:?}");
        assert_eq!(node.last_told(), Some((command, Some("k".to_owned()))), "{path} {body}");
        assert_eq!(told.headers["cache-control"], "no-store", "{path}");
        if status == 201 {
            let place = told.headers["location"].to_str().ok();
            assert_eq!(place, Some(format!("/api/v1/sims/{SIM_1}/shares").as_str()), "{body}");
        }
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_their_views() {
    let node = Node::start();
    let shares = node.ask(Ask::get(&format!("/api/v1/sims/{SIM_1}/shares"))).await;
    assert_eq!(shares.status.as_u16(), 200, "{shares:?}");
    let expected = json!([{
        "device": "pc", "device_key": "k", "share": "20.00", "this_device": true, "connected": false,
        "last_seen": null, "closed": false,
    }]);
    assert_eq!((&shares.body["sim"], &shares.body["shares"]["USD"]), (&json!(SIM_1), &expected));
    assert!(shares.body["on_the_way"].is_object() && shares.body["coming_back"].is_object());
    let closing = node.ask(Ask::post("/api/v1/devices/phone/closing", &json!({}))).await;
    assert_eq!((&closing.body["state"], &closing.body["waiting_for"]), (&json!("stopped"), &json!(["tablet"])));
    let moved = node.ask(Ask::post(&format!("/api/v1/sims/{SIM_1}/move"), &json!({"shop_id": 2}))).await;
    assert_eq!((&moved.body["sim"], &moved.body["shop_id"]), (&json!(SIM_1), &json!(2)));
    let returned = node.ask(Ask::new(Method::POST, "/api/v1/credits/CRED-1/return")).await;
    assert_eq!(returned.body["reference"], "CRED-1", "a request without a body is one: {returned:?}");
}

#[tokio::test]
async fn a_balance_tells_its_bounds_and_who_is_silent() {
    let node = Node::start();
    let told = node.ask(Ask::get(&format!("/api/v1/sims/{SIM_1}/balance"))).await;
    let account = &told.body["balances"]["USD"];
    assert_eq!((&account["at_least"], &account["at_most"]), (&json!("20.00"), &json!("100.00")), "{told:?}");
    assert_eq!(account["oldest_heard"], json!({"device": "phone", "at": "2026-06-03T12:05:00.000Z"}));
    let credit = node.ask(Ask::get("/api/v1/credits/CRED-1")).await;
    assert_eq!((&credit.body["seen_by"], &credit.body["seen_by_devices"]), (&json!(1), &json!(["pc"])));
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_field() {
    let node = Node::start();
    let shares = "share-requests";
    let cases = [
        (shares, json!({}), 422, "missing_field", "ask"),
        (shares, json!({"currency": "USD"}), 422, "missing_field", "ask"),
        (shares, json!({"ask": null, "give": null, "currency": "USD"}), 422, "missing_field", "ask"),
        (shares, json!({"ask": "5", "give": "5", "currency": "USD", "to": "pc"}), 422, "invalid_field", "give"),
        (shares, json!({"ask": "5"}), 422, "missing_field", "currency"),
        (shares, json!({"give": "5", "to": "pc"}), 422, "missing_field", "currency"),
        (shares, json!({"give": "5", "currency": "USD"}), 422, "missing_field", "to"),
        (shares, json!({"give": "5", "currency": "USD", "to": 7}), 422, "invalid_field", "to"),
        (shares, json!({"ask": "5", "currency": "USD", "to": "pc"}), 422, "unknown_field", "to"),
        (shares, json!({"ask": "5", "currency": "EUR"}), 422, "unknown_currency", "currency"),
        (shares, json!({"ask": 5, "currency": "USD"}), 422, "invalid_field", "ask"),
        (shares, json!({"ask": "0", "currency": "USD"}), 422, "invalid_field", "ask"),
        (shares, json!({"ask": "-5", "currency": "USD"}), 422, "amount_negative", "ask"),
        (shares, json!({"give": "1.005", "currency": "USD", "to": "pc"}), 422, "amount_too_many_decimals", "give"),
        ("move", json!({}), 422, "missing_field", "shop_id"),
        ("move", json!({"shop_id": 0}), 422, "invalid_field", "shop_id"),
        ("move", json!({"shop_id": "2"}), 422, "invalid_field", "shop_id"),
        ("move", json!({"shop_id": 2, "shop": 2}), 422, "unknown_field", "shop"),
    ];
    for (route, body, status, code, field) in cases {
        let told = node.ask(Ask::post(&format!("/api/v1/sims/{SIM_1}/{route}"), &body)).await;
        assert_eq!(told.code(), (status, code), "{route} {body}: {told:?}");
        assert_eq!(told.body["field"], field, "{route} {body}");
    }
    let closing = [
        (json!({"insist": "yes"}), "invalid_field", "insist"),
        (json!({"successor": 3}), "invalid_field", "successor"),
        (json!({"force": true}), "unknown_field", "force"),
    ];
    for (body, code, field) in closing {
        let told = node.ask(Ask::post("/api/v1/devices/phone/closing", &body)).await;
        assert_eq!((told.code(), &told.body["field"]), ((422, code), &json!(field)), "{body}");
    }
    let bare = node.ask(Ask::new(Method::POST, "/api/v1/devices/phone/closing")).await;
    assert_eq!(bare.code(), (415, "not_json"), "a closing says what it means");
    for path in ["shares", "share-requests", "move"] {
        let path = format!("/api/v1/sims/abc/{path}");
        let ask = if path.ends_with("shares") { Ask::get(&path) } else { Ask::post(&path, &json!({})) };
        assert_eq!(node.ask(ask).await.code(), (404, "not_found"), "{path}");
    }
    let filter = node.ask(Ask::get(&format!("/api/v1/sims/{SIM_1}/shares?currency=USD"))).await;
    assert_eq!(filter.code(), (422, "unknown_field"));
    assert!(node.last_told().is_none(), "nothing reached the engine");
}

#[tokio::test]
async fn a_token_moves_shares_of_its_shops_alone() {
    let node = Node::start();
    let (_, token) = node.token(&[1], false, None).await;
    let ask = json!({"ask": "5", "currency": "USD"});
    let give = json!({"give": "5", "currency": "USD", "to": "pc"});
    for request in [
        Ask::get(&format!("/api/v1/sims/{SIM_2}/shares")),
        Ask::post(&format!("/api/v1/sims/{SIM_2}/share-requests"), &ask),
        Ask::post(&format!("/api/v1/sims/{SIM_2}/share-requests"), &give),
        Ask::new(Method::POST, "/api/v1/credits/CRED-2/return"),
    ] {
        let name = format!("{} {}", request.method, request.path);
        let told = node.ask(request.bearer(&token)).await;
        assert_eq!(told.code(), (403, "shop_outside_token"), "{name}: {told:?}");
    }
    for path in [format!("/api/v1/sims/{SIM_1}/move"), "/api/v1/devices/phone/closing".to_owned()] {
        let told = node.ask(Ask::post(&path, &json!({"shop_id": 1})).bearer(&token)).await;
        assert_eq!(told.code(), (403, "not_for_tokens"), "{path}: {told:?}");
    }
    assert!(node.last_told().is_none(), "nothing reached the engine");
    let own = Ask::post(&format!("/api/v1/sims/{SIM_1}/share-requests"), &ask).bearer(&token);
    assert_eq!(node.ask(own).await.status.as_u16(), 201);
}

/// The sentence that an agent reads at the counter, and the facts that a program reads.
#[test]
fn a_missing_share_says_who_holds_the_rest() {
    let usd = |text| amount(text, Currency::Usd);
    let other = |device: &str, share, last_seen| OtherShare {
        device: device.to_owned(),
        share: usd(share).balance(),
        last_seen,
    };
    let refusal = |asked, available, holders| {
        ApiError::from(Refusal::InsufficientShare {
            asked: usd(asked),
            share: usd("20").balance(),
            available: usd(available).balance(),
            sim: sim(SIM_1),
            shop: ShopId(1),
            holders,
        })
    };
    let some = vec![
        other("tablette", "0", None),
        other("caisse", "50", Some(Timestamp(1_790_812_800_123))),
        other("phone", "30", None),
    ];
    let french = refusal("80", "100", some.clone()).document(Language::French);
    assert_eq!(
        french["detail"],
        "Cet appareil ne peut dépenser que 20.00 USD de cette SIM ; il en faut 80.00 USD. La SIM contient 100.00 USD, \
         dont 50.00 USD chez « caisse » (vu le 2026-10-01 00:00 UTC), 30.00 USD chez « phone » (jamais vu) : une part vient \
         d'elle-même quand ces appareils sont en contact ; recommencez alors, ou dépensez moins."
    );
    let english = refusal("80", "100", some).document(Language::English);
    assert_eq!(
        english["detail"],
        "This device may spend only 20.00 USD of this SIM, and 80.00 USD is needed. The SIM holds 100.00 USD, of which \
         50.00 USD with \"caisse\" (seen 2026-10-01 00:00 UTC), 30.00 USD with \"phone\" (never seen): a share comes by \
         itself when these devices are in contact; try again then, or spend less."
    );
    assert_eq!(english["holders"].as_array().map(Vec::len), Some(3), "the facts leave nobody out");
    assert_eq!(
        english["holders"][1],
        json!({"device": "caisse", "share": "50.00", "last_seen": "2026-10-01T00:00:00.123Z"})
    );
    // Nobody could help: to wait for others is no advice.
    let little = refusal("80", "20", Vec::new()).document(Language::French);
    let detail = little["detail"].as_str().expect("a sentence");
    assert!(detail.ends_with("La SIM ne contient que 20.00 USD : rechargez-la, ou dépensez moins."), "{detail}");
    let crowd = (1..=5).map(|number| other(&format!("pc{number}"), "10", None)).collect();
    let crowd = refusal("60", "70", crowd).document(Language::French);
    let detail = crowd["detail"].as_str().expect("a sentence");
    assert!(detail.contains("« pc3 » (jamais vu) et d'autres encore :") && !detail.contains("pc4"), "{detail}");
    let on_its_way = refusal("60", "70", Vec::new()).document(Language::French);
    let detail = on_its_way["detail"].as_str().expect("a sentence");
    assert!(detail.contains("La SIM contient 70.00 USD ; le reste est en chemin :"), "{detail}");
}

/// No sentence carries a machine's time or a right named in the wrong language.
#[test]
fn a_right_is_named_in_the_readers_language() {
    for needs in [
        "the head office's device",
        "the head office's device: this one is the shop's keeper",
        "the founder's own device",
        "a manager's or the head office's device",
        "the shop's manager's or the head office's device",
        "another device: this one cannot revoke itself",
        "a device that writes",
        "a certificate",
        "the authority's key",
        "a device of shop 3",
    ] {
        let refusal = ApiError::from(Refusal::NotAllowed { needs: needs.to_owned() });
        let french = refusal.document(Language::French)["detail"].clone();
        assert!(french.as_str().is_some_and(|text| !text.contains(needs)), "{needs}: {french}");
        assert_eq!(refusal.document(Language::English)["needs"], Value::from(needs), "programs read one word for it");
    }
}
