//! The format of server-sent events, without I/O.

/// An event as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// More than this in one line or event comes from no master.
const LARGEST_EVENT: usize = 4 * 1024 * 1024;

/// Cuts a stream of bytes into events, wherever the pieces break.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes and gives the events that they complete.
    ///
    /// # Errors
    /// When an event is too large to be one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<RawEvent>, String> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > LARGEST_EVENT {
                    return Err("an event is larger than 4 MiB".to_owned());
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line_ended(line.trim_end_matches('\r')));
        }
        Ok(events)
    }

    fn line_ended(&mut self, line: &str) -> Option<RawEvent> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(RawEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // A line that begins with a colon is a sign of life; `id` and `retry` are not used.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: state\ndata: {\"appliedIndex\":7}\n\n: alive\n\n\
        event: x\r\ndata: one\r\ndata: two\r\n\r\ndata\n\n";

    #[test]
    fn events_are_the_same_wherever_the_pieces_break() {
        let whole = Parser::default().push(STREAM.as_bytes()).unwrap();
        let shown: Vec<(&str, &str)> =
            whole.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
        assert_eq!(shown, [("state", "{\"appliedIndex\":7}"), ("x", "one\ntwo"), ("", "")]);
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let pieces: Vec<RawEvent> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.push(piece).unwrap())
                .collect();
            assert_eq!(pieces, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let piece = vec![b'x'; LARGEST_EVENT];
        let mut parser = Parser::default();
        parser.push(&piece).unwrap();
        assert!(parser.push(b"x").is_err());
    }
}
