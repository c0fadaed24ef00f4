//! Frames on streams: the codec, the bounded outbound queue, and the two tasks of a peer.
//!
//! ```text
//! frame  =  length: u32, big-endian  |  bytes          length 0: a heartbeat, never passed up
//! ```
//!
//! A task waits for its own peer only, so a slow peer slows no other. The writer's queue is bounded by bytes; the
//! reader stops reading while the consumer's channel is full, and the peer's window closes. Nothing here knows what
//! a frame means, and no frame's bytes are logged.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::limits::{
    FRAME_BYTES_MAX, HEARTBEAT, OUTBOX_BYTES_MAX, OUTBOX_FRAME_OVERHEAD, READ_CHUNK_BYTES, SILENCE_MAX, STALL_MAX,
    WRITE_JOIN_BYTES,
};
use super::{DeviceKey, NetEvent};

/// Bytes of a frame's length.
const PREFIX_BYTES: usize = 4;

/// A frame longer than [`FRAME_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Oversize(pub(super) usize);

/// Cuts what arrives into frames. Holds at most one frame and one chunk.
#[derive(Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Takes bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it has arrived. Once it failed the stream cannot be read any further.
    pub(super) fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Oversize> {
        let rest = &self.buffer[self.start..];
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(Oversize(length));
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.start += PREFIX_BYTES + length;
        Ok(Some(frame))
    }
}

/// The queue of frames towards one peer: the end that fills it.
pub(super) struct Outbox {
    sender: mpsc::UnboundedSender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
}

/// The queue of frames towards one peer: the end that empties it.
pub(super) struct OutboxReader {
    receiver: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: Arc<AtomicUsize>,
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushError {
    /// The peer has not taken what is queued already.
    Full,
    /// The frame is longer than any peer would accept.
    Oversize,
}

/// Makes the two ends of a queue.
pub(super) fn outbox() -> (Outbox, OutboxReader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    (Outbox { sender, queued: queued.clone() }, OutboxReader { receiver, queued })
}

fn weight(frame: &[u8]) -> usize {
    frame.len() + OUTBOX_FRAME_OVERHEAD
}

impl Outbox {
    /// Bytes that are queued.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Queues a frame. The order of pushes is the order on the wire.
    pub(super) fn push(&self, frame: Vec<u8>) -> Result<(), PushError> {
        if frame.len() > FRAME_BYTES_MAX {
            return Err(PushError::Oversize);
        }
        let weight = weight(&frame);
        // Only this end adds, so the sum cannot pass the bound between the check and the addition.
        if self.queued.load(Ordering::Relaxed) + weight > OUTBOX_BYTES_MAX {
            return Err(PushError::Full);
        }
        self.queued.fetch_add(weight, Ordering::Relaxed);
        // The other end lives as long as the session; if it is gone so is the connection, and the frame with it.
        let _ = self.sender.send(frame);
        Ok(())
    }
}

/// How a writer ended.
#[derive(Debug)]
pub(super) struct WriteEnd {
    /// Whether any frame had been handed to the stream. If not, no frame can have been lost with it.
    pub(super) wrote: bool,
    /// Why it ended.
    pub(super) error: io::Error,
}

/// Writes queued frames to one stream until the stream dies. Returns `None` when the queue's other end is gone.
///
/// A frame taken from the queue when the stream dies is lost: `wrote` is then set, and the caller must not go on
/// with another stream as if nothing had happened.
pub(super) async fn write_frames(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    outbox: &mut OutboxReader,
) -> Option<WriteEnd> {
    let (mut from_peer, mut to_peer) = stream.split();
    let mut wrote = false;
    // The peer never writes on this stream; reading tells early that it dropped it.
    let mut watching = true;
    let mut probe = [0u8; 1];
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut taken = 0;
        tokio::select! {
            next = timeout(HEARTBEAT, outbox.receiver.recv()) => match next {
                Ok(Some(frame)) => {
                    wrote = true;
                    taken += weight(&frame);
                    append(&mut bytes, &frame);
                    while bytes.len() < WRITE_JOIN_BYTES && let Ok(frame) = outbox.receiver.try_recv() {
                        taken += weight(&frame);
                        append(&mut bytes, &frame);
                    }
                }
                Ok(None) => return None,
                Err(_) => append(&mut bytes, &[]),
            },
            read = from_peer.read(&mut probe), if watching => match read {
                // Either the stream was reset or the peer closed its silent half: a heartbeat tells which.
                Ok(0) => {
                    watching = false;
                    append(&mut bytes, &[]);
                }
                Ok(_) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "the peer wrote on a one-way stream");
                    return Some(WriteEnd { wrote, error });
                }
                Err(error) => return Some(WriteEnd { wrote, error }),
            },
        }
        let written = write_moving(&mut to_peer, &bytes, STALL_MAX).await;
        outbox.queued.fetch_sub(taken, Ordering::Relaxed);
        if let Err(error) = written {
            return Some(WriteEnd { wrote, error });
        }
        // One frame of a mebibyte should not keep its buffer for the life of the connection.
        bytes.shrink_to(WRITE_JOIN_BYTES);
    }
}

/// Writes everything, as long as some of it moves every so often: a slow peer is waited for, a stuck one is not.
async fn write_moving(to_peer: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    let stuck = |_| io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing");
    while !bytes.is_empty() {
        match timeout(patience, to_peer.write(bytes)).await.map_err(stuck)?? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    timeout(patience, to_peer.flush()).await.map_err(stuck)?
}

fn append(bytes: &mut Vec<u8>, frame: &[u8]) {
    // The queue refuses frames beyond `FRAME_BYTES_MAX`, which fits.
    bytes.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    bytes.extend_from_slice(frame);
}

/// How a reader ended.
#[derive(Debug)]
pub(super) enum ReadEnd {
    /// The peer closed or dropped its stream.
    Closed,
    /// The peer announced a frame beyond the limit.
    Oversize(Oversize),
    /// Nothing came for longer than [`SILENCE_MAX`], not even heartbeats.
    Silent,
    /// Nobody takes events any more.
    NoConsumer,
}

/// Where a reader delivers.
pub(super) struct Delivery {
    pub(super) peer: DeviceKey,
    pub(super) events: mpsc::Sender<NetEvent>,
    /// Becomes true when `Connected` has been handed to the consumer; no frame goes up before.
    pub(super) announced: watch::Receiver<bool>,
    /// Set with the first frame delivered in this session.
    pub(super) delivered: Arc<AtomicBool>,
}

/// Reads frames and delivers them until the stream ends.
pub(super) async fn read_frames(mut stream: impl AsyncRead + Unpin, mut delivery: Delivery) -> ReadEnd {
    if delivery.announced.wait_for(|announced| *announced).await.is_err() {
        return ReadEnd::NoConsumer;
    }
    let mut decoder = Decoder::default();
    let mut chunk = vec![0u8; READ_CHUNK_BYTES];
    loop {
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) if frame.is_empty() => {}
                Ok(Some(frame)) => {
                    delivery.delivered.store(true, Ordering::Relaxed);
                    if delivery.events.send(NetEvent::Frame { peer: delivery.peer, frame }).await.is_err() {
                        return ReadEnd::NoConsumer;
                    }
                }
                Ok(None) => break,
                Err(oversize) => return ReadEnd::Oversize(oversize),
            }
        }
        match timeout(SILENCE_MAX, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return ReadEnd::Closed,
            Ok(Ok(length)) => decoder.push(&chunk[..length]),
            Err(_) => return ReadEnd::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    #[test]
    fn frames_survive_any_cutting() {
        let frames: Vec<Vec<u8>> = vec![vec![1; 5], vec![], vec![2; 70_000], vec![3]];
        let mut bytes = Vec::new();
        for frame in &frames {
            append(&mut bytes, frame);
        }
        for cut in [1, 3, 4, 5, 4096, bytes.len()] {
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.next_frame().expect("all frames are small") {
                    read.push(frame);
                }
            }
            assert_eq!(read, frames, "cut into pieces of {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::default();
        decoder.push(&(FRAME_BYTES_MAX as u32).to_be_bytes());
        assert_eq!(decoder.next_frame(), Ok(None));
        let mut decoder = Decoder::default();
        decoder.push(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes());
        assert_eq!(decoder.next_frame(), Err(Oversize(FRAME_BYTES_MAX + 1)));
    }

    #[test]
    fn the_outbox_is_bounded_by_bytes_and_by_count() {
        let (outbox, _reader) = outbox();
        assert_eq!(outbox.push(vec![0; FRAME_BYTES_MAX + 1]), Err(PushError::Oversize));
        let mut queued = 0;
        while outbox.push(vec![0]).is_ok() {
            queued += 1;
        }
        assert_eq!(queued, OUTBOX_BYTES_MAX / (OUTBOX_FRAME_OVERHEAD + 1));
        assert_eq!(outbox.push(vec![0]), Err(PushError::Full));
    }

    fn delivery(room: usize) -> (Delivery, mpsc::Receiver<NetEvent>, watch::Sender<bool>) {
        let (events, taken) = mpsc::channel(room);
        let (announce, announced) = watch::channel(true);
        let delivered = Arc::new(AtomicBool::new(false));
        (Delivery { peer: DeviceKey([1; 32]), events, announced, delivered }, taken, announce)
    }

    /// Takes so many bytes, at once, and then nothing.
    struct Stuck {
        takes: usize,
    }

    impl AsyncWrite for Stuck {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = self.takes.min(bytes.len()).min(3);
            self.takes -= taken;
            if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_peer_that_takes_little_is_waited_for_and_one_that_takes_nothing_is_not() {
        let mut slow = Stuck { takes: 100 };
        write_moving(&mut slow, &[1; 100], Duration::from_millis(20)).await.expect("it moves");
        let mut stuck = Stuck { takes: 99 };
        let error = write_moving(&mut stuck, &[1; 100], Duration::from_millis(20)).await.expect_err("it does not");
        assert_eq!((error.kind(), stuck.takes), (io::ErrorKind::TimedOut, 0));
    }

    #[tokio::test]
    async fn a_reader_stops_at_an_oversize_frame_after_delivering_those_before() {
        let mut bytes = Vec::new();
        append(&mut bytes, b"good");
        append(&mut bytes, b"");
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        let (delivery, mut taken, _announce) = delivery(8);
        let end = read_frames(&bytes[..], delivery).await;
        assert!(matches!(end, ReadEnd::Oversize(Oversize(size)) if size == u32::MAX as usize));
        let frame = NetEvent::Frame { peer: DeviceKey([1; 32]), frame: b"good".to_vec() };
        assert_eq!(taken.recv().await, Some(frame));
        assert_eq!(taken.recv().await, None, "a heartbeat is not passed up");
    }
}
