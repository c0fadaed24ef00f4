//! A device of the network that says it holds more than it has: it is believed once, not again and again.

use ucash::log::{Head, LogId};
use ucash::model::{Incarnation, Scope, ShopId};
use ucash::replica::{Input, Output};
use ucash::wire::{LOGS_TOLD_MAX, Message, Position, decode, encode};

use crate::forge::{COUNTER, Node, device, net};
use crate::samples::NOW;

fn say(node: &mut Node, message: &Message) -> Vec<Output> {
    node.handle(NOW, Input::Frame { peer: device(COUNTER), bytes: encode(message) })
}

fn wants(outputs: &[Output]) -> usize {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Send { bytes, .. } => decode(bytes).ok(),
        _ => None,
    });
    frames.filter(|message| matches!(message, Message::Want(_))).count()
}

fn position(shop: u32, incarnation: u64, number: u64) -> Position {
    let log =
        LogId { scope: Scope::Shop(ShopId(shop)), device: device(COUNTER), incarnation: Incarnation(incarnation) };
    Position { log, head: Head { number, hash: [7; 32] } }
}

#[test]
fn a_log_that_is_only_claimed_is_not_asked_for_without_end() {
    let mut office = net().office;
    office.handle(NOW, Input::Connected { peer: device(COUNTER) });
    let positions = Message::Positions {
        scopes: vec![Scope::Shop(ShopId(5))],
        positions: vec![position(5, 99, u64::MAX)],
        answer: false,
    };
    let asked = wants(&say(&mut office, &positions));
    assert!((1..=2).contains(&asked), "asked for, and no more than may be under way: {asked}");
    for _ in 0..asked {
        assert_eq!(wants(&say(&mut office, &Message::Sent)), 0, "nothing came, so nothing more is asked for");
    }
}

#[test]
fn scopes_named_without_end_fill_no_memory() {
    let mut office = net().office;
    office.handle(NOW, Input::Connected { peer: device(COUNTER) });
    for first in (1..).step_by(1_000) {
        let shops = first..first + 1_000;
        let message = Message::Positions {
            scopes: shops.clone().map(|shop| Scope::Shop(ShopId(shop))).collect(),
            positions: shops.map(|shop| position(shop, 99, 1)).collect(),
            answer: false,
        };
        let banned = say(&mut office, &message).iter().any(|output| matches!(output, Output::Ban { .. }));
        if banned {
            assert!(first as usize + 1_000 > LOGS_TOLD_MAX, "a company of {first} shops is none yet");
            return;
        }
        assert!((first as usize) < 2 * LOGS_TOLD_MAX, "it is left before long");
    }
}
