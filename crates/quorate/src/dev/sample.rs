//! The small built-in service that `dev` manages: it greets over HTTP.

use std::{net::SocketAddr, sync::Arc};

use quorate_model::{Refusal, codes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A small service to try Quorate on
#[derive(Debug, clap::Args)]
pub(crate) struct SampleArgs {
    /// Where it listens
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Whom it greets for
    #[arg(long)]
    pub(crate) name: String,
}

/// Greets until it is ended.
pub(crate) async fn run(args: &SampleArgs) -> Result<(), Refusal> {
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        Refusal::new(codes::ADDRESS_IN_USE, format!("cannot listen on {}", args.listen))
            .cause(error.to_string())
    })?;
    let greeting: Arc<str> =
        Arc::from(format!("hello from {} (pid {})\n", args.name, std::process::id()));
    say(&format!("{} greets on {}", args.name, args.listen));
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(greet(stream, Arc::clone(&greeting)));
        }
    }
}

/// Reads one request and answers it; whatever it asks for.
async fn greet(mut stream: TcpStream, greeting: Arc<str>) {
    let mut request = [0; 1024];
    // A caller that hangs up early only misses its greeting.
    if stream.read(&mut request).await.is_ok() {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{greeting}",
            greeting.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

#[expect(clippy::print_stdout, reason = "a component's output is its log")]
fn say(line: &str) {
    println!("{line}");
}
