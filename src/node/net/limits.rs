//! Every bound of the network layer, each with its reason. Nothing here is negotiated with a peer.

use std::time::Duration;

/// Longest frame. A suffix of a log is sent in pieces of at most this size, so that one lost connection costs at
/// most one of them, and a stranger can make us hold no more.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// What one peer's outbound queue may hold. Eight of the largest frames: enough to keep a link busy.
pub const OUTBOX_BYTES_MAX: usize = 8 << 20;

/// What all outbound queues together may hold: eight that are full. Beyond, the peer with the fullest is let go, and is
/// compared with anew when it comes again: so 128 stuck peers cannot take a small machine's memory.
pub const OUTBOXES_BYTES_MAX: usize = 64 << 20;

/// What a queued frame counts beyond its bytes, so that a million empty-looking frames are bounded too.
pub(super) const OUTBOX_FRAME_OVERHEAD: usize = 64;

/// Queued frames are joined up to this size before one write: fewer packets for many small frames.
pub(super) const WRITE_JOIN_BYTES: usize = 64 << 10;

/// How much is read from a stream at a time. A frame's buffer grows with what has really arrived, never with what
/// its length claims.
pub(super) const READ_CHUNK_BYTES: usize = 16 << 10;

/// An idle outbound stream carries an empty frame this often. TCP alone may take a quarter of an hour to notice
/// that the other device lost its power.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// A peer from which nothing came for this long is gone: three heartbeats may be lost.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(50);

/// A peer that takes not one byte of what is written to it for this long is stuck. On a link of 64 kbit/s a window moves
/// every half minute.
pub(super) const STALL_MAX: Duration = Duration::from_secs(60);

/// A connection on which the peer has opened no frame stream after this long is of no use.
pub(super) const STREAM_WAIT: Duration = Duration::from_secs(30);

/// How often an outbound stream that died before any frame was written to it is opened again.
pub(super) const STREAM_REOPENS_MAX: u32 = 3;

/// How many inbound streams one peer may open in one session. An honest peer opens one, and a few more if streams
/// die; more is a flood.
pub(super) const STREAMS_INBOUND_MAX: u32 = 8;

/// Streams of one connection, all protocols: ours, gossip, identify, with room to spare.
pub(super) const YAMUX_STREAMS_MAX: usize = 32;

/// The same for a connection over QUIC, where the transport counts them itself.
pub(super) const QUIC_STREAMS_MAX: u32 = 32;

/// What a QUIC peer may send on one stream before we have read it: one of the largest frames.
pub(super) const QUIC_STREAM_BYTES_MAX: u32 = 1 << 20;

/// What a QUIC peer may send on all streams of a connection before we have read it: at [`INCOMING_MAX`] connections,
/// half a gigabyte at the very worst, from peers that all are hostile.
pub(super) const QUIC_CONNECTION_BYTES_MAX: u32 = 4 << 20;

/// Inbound streams of one connection that are still being negotiated.
pub(super) const STREAMS_NEGOTIATING_MAX: usize = 16;

/// Longest gossip message. Gossip is a hint: what is larger travels in frames.
pub const GOSSIP_BYTES_MAX: usize = 64 << 10;

/// Gossip messages waiting for one slow connection before further ones are dropped: 4 MiB at most.
pub(super) const GOSSIP_QUEUE_MAX: usize = 64;

/// Gossip that one peer may pass on in a second, in tokens. Fifty devices that write thrice a second each, all heard
/// through one peer, make 150 messages; unsealing as many as this costs a phone some hundredths of a core.
pub(super) const GOSSIP_PER_SECOND: u64 = 256;

/// The same at one instant: fifty devices that come back from a power cut and tell twenty things each.
pub(super) const GOSSIP_BURST: u64 = 1024;

/// A message costs one token, and one more for each of these many bytes: a write is told in less.
pub(super) const GOSSIP_TOKEN_BYTES: usize = 1024;

/// Peers whose gossip is counted at one time: all that [`RELAY_INCOMING_MAX`] allows, those we dialled, and some that left
/// a moment ago. A peer is forgotten when it could burst again, after four seconds.
pub(super) const GOSSIP_PEERS_MAX: usize = 2048;

/// Gossip is dropped while this many events wait for the consumer. The comparison of logs repairs it.
pub(super) const GOSSIP_PENDING_MAX: usize = 64;

/// While this many events wait for the consumer the swarm is not polled, and so accepts and reads nothing.
pub(super) const EVENTS_PENDING_MAX: usize = 256;

/// Commands waiting for the network loop.
pub(super) const COMMANDS_PENDING_MAX: usize = 1024;

/// Reports of stream tasks waiting for the network loop; a task waits when it is full.
pub(super) const REPORTS_PENDING_MAX: usize = 256;

/// Connections that others opened to a device. When all are taken, a stranger is let go for a trusted device.
pub(super) const INCOMING_MAX: usize = 128;

/// The same for a relay: a company of 50 shops with ten devices each, twice over.
pub(super) const RELAY_INCOMING_MAX: usize = 1024;

/// Those of them that strangers may hold: the rest is kept for devices that we trust. As many joiners at one time have
/// never been seen; beyond, the oldest of the host that has most is let go.
pub(super) const STRANGERS_MAX: usize = 64;

/// A stranger that has said nothing for this long is let go: whoever has a reason to call sends a greeting of some
/// hundred bytes at once, and a 2G link answers within some seconds.
pub(super) const STRANGER_WAIT: Duration = Duration::from_secs(10);

/// Connections with one peer: two that crossed, and two of a peer that lost its old ones without our noticing.
pub(super) const PER_PEER_MAX: u32 = 4;

/// Handshakes at one time, in each direction: each costs a key agreement. Of those that others began the oldest of the
/// host that has most is let go for one more.
pub(super) const PENDING_MAX: usize = 64;

/// The same of those that we begin, as libp2p counts them.
pub(super) const PENDING_DIALS_MAX: u32 = 64;

/// A connection that carries no stream is closed after this long. Ours carry one always.
pub(super) const IDLE_CONNECTION: Duration = Duration::from_secs(60);

/// A dial or a handshake that takes longer has failed. A 2G link answers within some seconds.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(20);

/// How often the loop looks at what is due.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// Dials begun per tick: with four ticks a second, at most eight a second whatever is announced.
pub(super) const DIALS_PER_TICK: usize = 2;

/// Dials to mDNS finds under way at one time. Anyone on the local network can announce addresses that never
/// answer; the rest of [`PENDING_MAX`] stays free for peers we know.
pub(super) const DISCOVERED_DIALS_MAX: usize = 16;

/// The same to finds of one host: mDNS takes a find's IP address from the packet that told of it, so that whoever
/// announces without end fills its own places only.
pub(super) const DISCOVERED_PER_HOST_MAX: usize = 4;

/// First back-off of a peer that does not answer.
pub(super) const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// Longest back-off: a peer that comes back is met within a minute even if it cannot dial us.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// How often an address given by a command is tried before it is forgotten. It was typed or scanned by someone who
/// waits and will do it again.
pub(super) const ASKED_TRIES_MAX: u32 = 5;

/// Targets given by configuration and by commands, each.
pub(super) const TARGETS_GIVEN_MAX: usize = 256;

/// mDNS finds kept. A market hall has fewer devices; a storm of false ones has more.
pub(super) const DISCOVERED_MAX: usize = 256;

/// Records kept by the mDNS behaviour itself, which has no bound and searches them one by one. Beyond, it is
/// started afresh.
pub(super) const MDNS_RECORDS_MAX: usize = 1024;

/// Devices kept of which another device only told where they are. As many as the address book holds.
pub(super) const TOLD_MAX: usize = 256;

/// Below this many peers, devices that were only told of are dialled. More keep a network together no better, and
/// each costs a phone its heartbeats.
pub(super) const PEERS_WANTED: usize = 8;

/// mDNS query interval. The library's five minutes are longer than people wait.
pub(super) const MDNS_QUERY_INTERVAL: Duration = Duration::from_secs(30);

/// Peers in the address book: all that a relay may be connected with, since it keeps places for whoever stands there.
pub(super) const BOOK_PEERS_MAX: usize = RELAY_INCOMING_MAX;

/// Addresses kept of one peer.
pub const PEER_ADDRESSES_MAX: usize = 8;

/// Longest address kept, in bytes of its binary form.
pub const ADDRESS_BYTES_MAX: usize = 128;

/// Largest address book read: what [`BOOK_PEERS_MAX`] and [`PEER_ADDRESSES_MAX`] can need, rounded up.
pub(super) const BOOK_BYTES_MAX: u64 = 4 << 20;

/// Bans kept. Beyond, the one that ends first is lifted: each ban costs its holder a new key.
pub(super) const BANS_MAX: usize = 1024;

/// How long [`super::NetHandle::listening`] waits for the real addresses.
pub(super) const LISTEN_WAIT: Duration = Duration::from_secs(10);

/// How long a listener on all interfaces must have told of no further one before those known are taken for all. They
/// come within a millisecond of each other; one that comes later is known to whoever asks later.
pub(super) const INTERFACES_WAIT: Duration = Duration::from_millis(30);

/// What one circuit of a relay may carry: a first synchronising of some hundred thousand credits. The library's 128 KiB end
/// it within seconds.
pub(super) const CIRCUIT_BYTES_MAX: u64 = 128 << 20;

/// How long one may last. When it ends, its devices first try once more to reach each other directly.
pub(super) const CIRCUIT_TIME_MAX: Duration = Duration::from_secs(3600);

/// Circuits that a relay carries at one time: each costs it two buffers of 8 KiB, so 8 MiB for all.
pub(super) const CIRCUITS_MAX: usize = 512;

/// Circuits that a relay carries from one device: [`CIRCUITS_WANTED`], and as many that end.
pub(super) const CIRCUITS_PER_PEER_MAX: usize = 2 * CIRCUITS_WANTED;

/// Circuits that a device dials. They are streams of its connection with the relay, of which [`YAMUX_STREAMS_MAX`] bounds
/// how many there are; and the relay hands on everything anyway.
pub(super) const CIRCUITS_WANTED: usize = 4;

/// Circuits that one device may ask a relay for at one instant, and after what time for one more.
pub(super) const CIRCUITS_AT_ONCE: u32 = 30;
pub(super) const CIRCUIT_PAUSE: Duration = Duration::from_secs(5);

/// Relays at which a device reserves a place: when one dies, the other is known already.
pub(super) const RELAYS_USED_MAX: usize = 2;

/// After what time a relay that refused a place, or lost it, is asked again. A device that has just joined is refused until
/// the relay has seen its certificate.
pub(super) const RESERVE_AGAIN: Duration = Duration::from_secs(5);

/// How long a place at a relay holds. It ends with its connection anyway; the library's hour would be over at once for a
/// device whose clock is an hour ahead.
pub(super) const RESERVATION_TIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// Places that one device may hold at a relay: one for each of its connections.
pub(super) const RESERVATIONS_PER_PEER_MAX: usize = PER_PEER_MAX as usize;

/// Places that one device may ask for at one instant, and after what time for one more.
pub(super) const RESERVATIONS_AT_ONCE: u32 = 30;
pub(super) const RESERVATION_PAUSE: Duration = Duration::from_secs(5);

/// Addresses about which a device asks whether it is reached there: those of a few networks, over TCP and QUIC.
pub(super) const CANDIDATES_MAX: usize = 32;

/// How often it asks about each, all in all.
pub(super) const ASKS_PER_ADDRESS: usize = 3;
