//! Every bound of the HTTP face, with its reason. Nothing a stranger sends may cost more than what stands here.

use std::time::Duration;

/// Largest body of a request: the longest legal credit, every field at its limit and escaped, is below 32 KiB.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Largest upload of rows: about 10,000 credits of the old server, more than any shop writes in a year.
pub const UPLOAD_BYTES_MAX: usize = 8 << 20;
/// Longest idempotency key: what fits one index key of the store beside the identity that used it.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// Longest credential that is looked at: a token has 75 characters.
pub const CREDENTIAL_CHARS_MAX: usize = 256;
/// How long a client may take for its request head: a slow one would hold a connection for ever (slowloris).
pub const HEADER_READ_TIME: Duration = Duration::from_secs(10);
/// How long the next bytes of a body may take to come: a body that stands still holds a connection and a handler.
pub const BODY_READ_TIME: Duration = Duration::from_secs(10);
/// How long a reader may take nothing of an answer: what waits for it is held in memory.
pub const WRITE_TIME: Duration = Duration::from_secs(20);
/// How long a request may take, its body included: the page gives up at 30 s, so an answer after that is unread.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long an import or a verification may take: 8 MiB of rows signed one by one on a slow disk.
pub const LONG_REQUEST_TIME: Duration = Duration::from_secs(600);
/// How long the engine may be at one thing before it is taken for stuck: as long as the longest request.
pub const ENGINE_STUCK_TIME: Duration = LONG_REQUEST_TIME;
/// How long the engine may take to answer a probe: who probes gives up soon after.
pub const READY_TIME: Duration = Duration::from_secs(2);
/// How long one sync of the disk may take before this node calls itself not ready: a bad card takes one or two seconds.
pub const SYNC_STALLED_TIME: Duration = Duration::from_secs(5);
/// How far the clock may be from those of the others: what is dated further ahead they do not believe.
pub const CLOCK_APART_MS: u64 = 5 * 60_000;
/// Connections at once: a shop has 10 devices and their pages hold two each; the rest is room for the apps.
pub const CONNECTIONS_MAX: usize = 512;
/// Connections of one address at once: a quarter of all, as behind a mobile carrier's NAT many shops share an address.
pub const CONNECTIONS_OF_ONE_MAX: usize = CONNECTIONS_MAX / 4;
/// How long a client may take to agree on TLS: as long as for a request head, on a link as slow.
pub const HANDSHAKE_TIME: Duration = HEADER_READ_TIME;
/// How often the certificate's files are looked at: renewals come weeks before the end, and SIGHUP asks at once.
pub const CERTIFICATE_LOOK_TIME: Duration = Duration::from_secs(60);
/// Largest file of certificates or key: a chain of ten is 20 kB.
pub const PEM_BYTES_MAX: u64 = 1 << 20;
/// How long open requests are waited for at the end: longer than a commit, shorter than a service manager's patience.
pub const SHUTDOWN_TIME: Duration = Duration::from_secs(5);
/// Largest request head, in bytes.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Readers of events at once: a page of each device, and as many programs again; the other connections stay free.
pub const EVENT_STREAMS_MAX: usize = 64;
/// How often a stream without events says that it lives: below the minute after which proxies end what is silent.
pub const HEARTBEAT_TIME: Duration = Duration::from_secs(15);
/// Events written at once: about 20 kB.
pub const EVENTS_A_CHUNK_MAX: usize = 256;
/// Failed authentications a minute before further failing ones are turned away unread.
pub const FAILURES_A_MINUTE_MAX: u32 = 100;
/// Requests of one token a minute, at once or spread. The existing app makes 4 a device, so that ten on one token make
/// 40; a script that writes one after the other waits for a disk sync each and makes a few hundred. What is beyond is a
/// loop that lost its pause, and it must leave the engine to the cashiers.
pub const TOKEN_REQUESTS_A_MINUTE_MAX: i64 = 1_200;
/// Tokens in use at once: a lost script that makes tokens in a loop must not fill the store.
pub const TOKENS_MAX: usize = 1_000;
/// Shops that one token names: its record must fit a local value of 4 kB.
pub const TOKEN_SHOPS_MAX: usize = 256;
/// A token's last use is written down at most so often, lest each request cost a disk sync.
pub const LAST_USE_WRITTEN_EVERY_MS: i64 = 3_600_000;
/// Items on a page where the request does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Items on a page at most.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Addresses in an invitation: more make no QR code that a phone can read.
pub const ADDRESSES_MAX: usize = 16;
/// Pages of movements that are looked through for one that a token names.
pub const SEARCHED_PAGES_MAX: usize = 50;
/// How long an invitation holds where the request does not say.
pub const INVITATION_MS_DEFAULT: i64 = 15 * 60_000;
/// How long an invitation may hold: a month; who comes later asks again.
pub const INVITATION_MS_MAX: i64 = 31 * 86_400_000;
/// How long a token may hold if it is to end at all: ten years.
pub const TOKEN_MS_MAX: i64 = 3_653 * 86_400_000;
