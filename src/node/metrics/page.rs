//! All numbers as one text, in the format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Names end in their unit, counters in `_total` (<https://prometheus.io/docs/practices/naming/>); the library adds
//! both. What only grows is a counter, what stands at the moment a gauge.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Disk, Metrics, Numbers, OfShop, process};
use crate::replica::StatusView;

/// What the text is called over HTTP.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    /// Everything as text. It looks at the store's directory: not for a thread that must not wait.
    pub fn page(&self, status: &StatusView) -> String {
        let numbers = &self.numbers;
        // The numbers are shared, so that a registry can be made anew each time: those that are only asked for now
        // need no place to stand in between.
        let mut registry = Registry::with_prefix("ucash");
        self.process(&mut registry, status);
        holdings(&mut registry, status);
        numbers.disk(&mut registry, self.disk());
        numbers.replication(&mut registry, status);
        numbers.network(&mut registry);
        numbers.engine(&mut registry);
        numbers.http(&mut registry);
        let mut page = String::new();
        // Writing into a text cannot fail.
        let _ = text::encode(&mut page, &registry);
        page
    }

    fn process(&self, registry: &mut Registry, status: &StatusView) {
        let build = vec![("version", status.version.clone())];
        registry.register("build", "What program this is", Info::new(build));
        let uptime: Gauge<f64, AtomicU64> = Gauge::default();
        uptime.set(self.uptime().as_secs_f64());
        registry.register_with_unit("uptime", "How long this node has run", Unit::Seconds, uptime);
        if let Some(bytes) = process::resident_bytes() {
            let help = "Memory that the process holds";
            registry.register_with_unit("memory_resident", help, Unit::Bytes, stands(bytes));
        }
        if let Some(files) = process::open_files() {
            registry.register("open_files", "Files and sockets that the process has open", stands(files));
        }
    }
}

fn holdings(registry: &mut Registry, status: &StatusView) {
    let lost = status.lost.iter().map(|lost| lost.to.saturating_sub(lost.from).saturating_add(1)).sum();
    for (name, help, count) in [
        ("entries", "Entries held in all logs", status.entries),
        ("credits", "Credits known", status.credits),
        ("entries_set_aside", "Entries kept without effect", status.set_aside),
        ("entries_waiting", "Entries that wait for what they rest on", status.waiting),
        ("entries_lost", "Entries lost by a damaged store and not brought back yet", lost),
        ("entries_unconfirmed", "Own entries that no other device has confirmed", status.pending_count),
    ] {
        registry.register(name, help, stands(count));
    }
}

impl Numbers {
    fn disk(&self, registry: &mut Registry, disk: Disk) {
        for (name, help, is_so) in [
            ("disk_full", "1 while nothing is written because the disk is full", disk == Disk::Full),
            ("disk_failed", "1 once nothing is written any more because the disk failed", disk == Disk::ReadOnly),
        ] {
            registry.register(name, help, stands(is_so.into()));
        }
        if let Some(store) = &self.store {
            let help = "Size of the store's files";
            registry.register_with_unit("store", help, Unit::Bytes, stands(process::bytes_below(store)));
        }
        let help = "How long each sync of the disk took";
        registry.register_with_unit("disk_sync", help, Unit::Seconds, self.syncs.clone());
        registry.register("disk_syncs_failed", "Syncs of the disk that failed", self.syncs_failed.clone());
    }

    fn replication(&self, registry: &mut Registry, status: &StatusView) {
        let connected = status.peers.iter().filter(|peer| peer.connected).count() as u64;
        let in_step = status.peers.iter().filter(|peer| peer.connected && peer.in_step).count() as u64;
        registry.register("logs", "Logs held, one a device and shop", self.logs.clone());
        registry.register("peers_connected", "Devices of the network connected at the moment", stands(connected));
        registry.register("peers_in_step", "Connected devices that hold the same", stands(in_step));
        registry.register("peers_known", "Devices met so far", stands(status.peers.len() as u64));
        let text = status.last_sync_time.as_ref();
        if let Some(at) = text.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok()) {
            let last: Gauge<f64, AtomicU64> = Gauge::default();
            last.set(seconds_of(at.timestamp_millis()));
            let help = "When a device last held the same, since 1970";
            registry.register_with_unit("last_sync_timestamp", help, Unit::Seconds, last);
        }
        if let Some(milliseconds) = status.clock_offset_ms {
            let offset: Gauge<f64, AtomicU64> = Gauge::default();
            let size = std::time::Duration::from_millis(milliseconds.unsigned_abs()).as_secs_f64();
            offset.set(if milliseconds < 0 { size.copysign(-1.0) } else { size });
            let help = "The clocks of the others less ours, in the middle";
            registry.register_with_unit("clock_offset", help, Unit::Seconds, offset);
        }
        let entries = "Entries received from and sent to other devices, again or anew";
        registry.register("entries_transferred", entries, self.entries.clone());
        let help = "Entries that came by gossip, as soon as they were made";
        registry.register("entries_gossiped", help, self.gossiped.clone());
        let help = "Entries that comparing brought, since gossip had not";
        registry.register("entries_repaired", help, self.repaired.clone());
        let newest: Family<OfShop, Gauge<f64, AtomicU64>> = Family::default();
        for (shop, at) in &status.shop_newest {
            if let Ok(at) = chrono::DateTime::parse_from_rfc3339(at) {
                newest.get_or_create(&OfShop { shop: shop.0 }).set(seconds_of(at.timestamp_millis()));
            }
        }
        let help = "When something was last done with a shop's money, as far as is known here, since 1970";
        registry.register_with_unit("shop_newest_timestamp", help, Unit::Seconds, newest);
        registry.register("rounds", "Comparisons begun with other devices", self.rounds.clone());
        registry.register("refused", "What devices said or did that was refused", self.refused.clone());
        let waiting = "Commands that wait for another device to give some of its share";
        registry.register("commands_waiting", waiting, self.commands_waiting.clone());
    }

    fn network(&self, registry: &mut Registry) {
        registry.register("frames", "Frames from and to other devices", self.frames.clone());
        let help = "Size of those frames";
        registry.register_with_unit("frame", help, Unit::Bytes, self.frame_bytes.clone());
        registry.register("gossip", "Gossip received and sent", self.gossip.clone());
        let help = "Gossip refused, as no device of the network sealed it";
        registry.register("gossip_refused", help, self.gossip_unsealed.clone());
        registry.register("bans", "Connections ended for what came over them", self.bans.clone());
        let Some(network) = &self.network else { return };
        let counted = network();
        for (name, help, count) in [
            ("frames_oversize", "Peers cut off for announcing a frame beyond the limit", counted.frames_oversize),
            ("outboxes_full", "Sessions ended as the peer did not take what was for it", counted.outboxes_full),
            ("peers_silent", "Sessions ended as the peer said nothing", counted.peers_silent),
            ("streams_flooded", "Sessions ended as the peer opened streams without end", counted.streams_flooded),
            ("handshakes_let_go", "Handshakes let go for another caller", counted.handshakes_let_go),
            ("strangers_let_go", "Connections of strangers let go for another caller", counted.strangers_let_go),
            ("crossed", "Connections closed as both devices had dialled", counted.crossed),
            ("circuits_carried", "Circuits taken on for two other devices", counted.circuits_carried),
            ("circuits_refused", "Places and circuits refused to a device", counted.circuits_refused),
            ("circuits_left", "Circuits left for a direct connection", counted.circuits_left),
            ("gossip_flooded", "Gossip dropped as one peer passed on too much", counted.gossip_flooded),
            ("gossip_dropped", "Gossip dropped as this node was slow", counted.gossip_dropped),
            ("finds", "Addresses that devices of the local network announced", counted.finds),
            ("dials", "Attempts to reach a device", counted.dials),
            ("dials_failed", "Attempts to reach a device that failed", counted.dials_failed),
        ] {
            registry.register(name, help, grew(count));
        }
    }

    fn engine(&self, registry: &mut Registry) {
        let help = "How long each step of the engine took, without its sync";
        registry.register_with_unit("engine_step", help, Unit::Seconds, self.steps.clone());
        registry.register("engine_batch_inputs", "Inputs that shared a step and a sync", self.batches.clone());
    }

    fn http(&self, registry: &mut Registry) {
        registry.register("tokens", "Tokens in use", self.tokens.clone());
        let help = "Requests without a credential that holds";
        registry.register("identities_refused", help, self.identities_refused.clone());
        let help = "Requests answered over HTTP, by route and status";
        registry.register("http_requests", help, self.requests.clone());
        let help = "How long an answer over HTTP took to begin";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.latencies.clone());
    }
}

fn seconds_of(milliseconds: i64) -> f64 {
    std::time::Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0)).as_secs_f64()
}

fn stands(count: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    gauge
}

fn grew(count: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(count);
    counter
}
