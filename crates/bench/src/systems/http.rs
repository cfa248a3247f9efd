//! A lean HTTP/1.1 client on one kept connection: the generator shares the cores with the servers,
//! so a request is one buffer and an answer is parsed no further than needed.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::error::WriteError;

/// An answer longer than this is not one we asked for.
const LONGEST_ANSWER: usize = 4 << 20;

/// One connection. After an error it must not be used again.
pub(super) struct HttpConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Where an answer's parts are in the buffer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body: usize,
    /// `None`: chunked.
    length: Option<usize>,
}

impl HttpConnection {
    /// Connects.
    pub(super) async fn open(address: SocketAddr) -> Result<Self, WriteError> {
        let stream = TcpStream::connect(address).await.map_err(WriteError::of)?;
        stream.set_nodelay(true).map_err(WriteError::of)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer: status and body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8]), WriteError> {
        self.stream.write_all(request).await.map_err(WriteError::of)?;
        self.buffer.clear();
        let head = loop {
            self.read_more().await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        let is_whole = |buffer: &[u8]| match head.length {
            Some(length) => buffer.len() >= head.body + length,
            None => buffer.ends_with(b"0\r\n\r\n"),
        };
        while !is_whole(&self.buffer) {
            self.read_more().await?;
        }
        Ok((head.status, &self.buffer[head.body..]))
    }

    async fn read_more(&mut self) -> Result<(), WriteError> {
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(WriteError("the connection was closed".to_owned())),
            Ok(_) if self.buffer.len() <= LONGEST_ANSWER => Ok(()),
            Ok(_) => Err(WriteError("the answer does not end".to_owned())),
            Err(error) => Err(WriteError::of(error)),
        }
    }
}

/// `None` while it is not whole.
fn parse_head(buffer: &[u8]) -> Result<Option<Head>, WriteError> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let malformed = || WriteError("the answer is not HTTP/1.1".to_owned());
    let text = str::from_utf8(&buffer[..end]).map_err(|_| malformed())?;
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(malformed)?;
    let mut length = Some(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().map_err(|_| malformed())?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = None;
        }
    }
    Ok(Some(Head { status, body: end + 4, length }))
}

/// A request as one buffer.
pub(super) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization =
        token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_is_parsed_when_it_is_whole() {
        let head = |text: &str| parse_head(text.as_bytes());
        assert_eq!(head("HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        let whole = head("HTTP/1.1 412 No\r\nContent-Length: 7\r\n\r\n{").unwrap();
        assert_eq!(whole, Some(Head { status: 412, body: 38, length: Some(7) }));
        let chunked = head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(chunked.unwrap().length, None);
        assert!(head("SSH-2.0\r\n\r\n").is_err());
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let answers: [&[&str]; 2] = [
                &["HTTP/1.1 200 OK\r\ncontent-", "length: 4\r\n\r\nab", "cd"],
                &["HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n0\r\n\r\n"],
            ];
            for parts in answers {
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                for part in parts {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut connection = HttpConnection::open(address).await.unwrap();
        let request = request("PUT", "/x", Some("t"), "{}");
        assert_eq!(connection.exchange(&request).await.unwrap(), (200, &b"abcd"[..]));
        assert_eq!(connection.exchange(&request).await.unwrap().0, 503);
        assert!(connection.exchange(&request).await.is_err(), "closed");
        server.await.unwrap();
    }
}
