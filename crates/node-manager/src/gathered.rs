//! Writes that belong together leave together.

use std::{
    fmt, io,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf},
    task::yield_now,
};

/// As much as two TLS records hold; what is larger needs no gathering.
const GATHERED_MOST: usize = 32 * 1024;

/// A connection that, before it sends, lets every task run once that is ready to.
///
/// HTTP/2 sends the head, the body and the end of a call one after the other and flushes each, since
/// they come from different tasks. Without this, every call is three TLS records in three packets,
/// each of which wakes the other end.
pub(crate) struct Gathered<S> {
    stream: BufWriter<S>,
    pause: Option<BoxFuture<'static, ()>>,
    paused: bool,
}

impl<S: AsyncWrite> Gathered<S> {
    pub(crate) fn new(stream: S) -> Self {
        let stream = BufWriter::with_capacity(GATHERED_MOST, stream);
        Self { stream, pause: None, paused: false }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream.get_mut()).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.paused && !this.stream.buffer().is_empty() {
            let pause = this.pause.get_or_insert_with(|| Box::pin(yield_now()));
            ready!(pause.as_mut().poll(context));
            this.pause = None;
            this.paused = true;
        }
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.paused = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Counts how often it is written to.
    struct Counted<S>(S, Arc<AtomicUsize>);

    impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    #[tokio::test]
    async fn what_another_task_writes_before_the_flush_leaves_with_it() {
        let (near, mut far) = tokio::io::duplex(1024);
        let writes = Arc::new(AtomicUsize::new(0));
        let stream = Gathered::new(Counted(near, Arc::clone(&writes)));
        let (_, stream) = tokio::io::split(stream);
        let stream = Arc::new(tokio::sync::Mutex::new(stream));
        let write = |text: &'static str| {
            let stream = Arc::clone(&stream);
            async move { stream.lock().await.write_all(text.as_bytes()).await.unwrap() }
        };
        write("head ").await;
        let others = [tokio::spawn(write("body ")), tokio::spawn(write("end"))];
        // A flush gives way once, whether or not it is in the same task as the writes.
        let flush = async {
            let mut first = true;
            std::future::poll_fn(|context| {
                let Ok(mut stream) = stream.try_lock() else { return Poll::Pending };
                let flushed = Pin::new(&mut *stream).poll_flush(context);
                assert!(!first || flushed.is_pending(), "it did not give way");
                first = false;
                flushed
            })
            .await
        };
        flush.await.unwrap();
        for other in others {
            other.await.unwrap();
        }
        let mut read = [0; 13];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!((&read[..], writes.load(Ordering::SeqCst)), (&b"head body end"[..], 1));
    }

    #[tokio::test]
    async fn what_is_larger_than_is_gathered_arrives_whole_and_in_order() {
        let (near, mut far) = tokio::io::duplex(1000);
        let sent: Vec<u8> = (0..5 * GATHERED_MOST).map(|at| (at % 251) as u8).collect();
        let expected = sent.clone();
        let sending = tokio::spawn(async move {
            let mut stream = Gathered::new(near);
            for part in sent.chunks(7 * 1024) {
                stream.write_all(part).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        });
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        sending.await.unwrap();
        assert!(read == expected);
    }
}
