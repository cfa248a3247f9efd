//! A plan as an operator reads it, at night.

use std::fmt::Write as _;

use super::{LogPosition, RecoveryPlan, RecoveryReport, Survivor};

impl RecoveryPlan {
    /// The plan in words. `file` is where it is kept, for the commands to type next.
    #[must_use]
    pub fn render(&self, file: &str) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, file);
        text
    }

    fn write(&self, text: &mut String, file: &str) -> std::fmt::Result {
        writeln!(text, "Recovery from lost quorum of cluster {}", self.cluster)?;
        writeln!(text, "  plan    {}", self.hash)?;
        writeln!(text, "  epoch   {} ends, {} begins", self.ends, self.begins)?;
        writeln!(
            text,
            "  masters {} of {} survive",
            self.rejoin.len() + 1,
            self.rejoin.len() + 1 + self.written_off.len()
        )?;
        writeln!(text, "\nGoes on, as the first voter")?;
        writeln!(text, "  {}", line(&self.keeper))?;
        writeln!(text, "\nComes back as a learner, what it holds put aside")?;
        for survivor in &self.rejoin {
            writeln!(text, "  {}", line(survivor))?;
        }
        if self.rejoin.is_empty() {
            writeln!(text, "  nobody")?;
        }
        writeln!(text, "\nWritten off for ever: refused when it comes back")?;
        for gone in &self.written_off {
            let addrs: Vec<&str> = gone.addrs.iter().map(String::as_str).collect();
            writeln!(text, "  {} {}  {}", gone.node, gone.name, addrs.join(", "))?;
        }
        writeln!(text, "\nWhat is kept, what may be lost")?;
        for said in &self.loss {
            writeln!(text, "  - {said}")?;
        }
        writeln!(text, "\nWhat to do next")?;
        for (number, step) in (1..).zip(self.next_steps(file)) {
            writeln!(text, "  {number}. {step}")?;
        }
        Ok(())
    }

    fn next_steps(&self, file: &str) -> Vec<String> {
        let all: Vec<&str> = std::iter::once(&self.keeper)
            .chain(&self.rejoin)
            .map(|survivor| survivor.name.as_str())
            .collect();
        let mut steps = vec![
            "Bring back what can be brought back: one more surviving master may make all of this unnecessary. Then collect and plan again.".to_owned(),
            "Make sure that the written-off masters are off. If one is only cut off, the hosts it still reaches may go on obeying it until it hears of the new epoch.".to_owned(),
            format!("On {}, each stopped, with this file: quorate recover apply {file}", all.join(", ")),
            format!("Start {} first, then the others: quorate run, or their service.", self.keeper.name),
            format!("Look whether all is well: quorate recover verify {file}"),
        ];
        let survivors = all.len();
        // Of an even number one vote was for nothing.
        let wanted = (self.voters_before.saturating_sub(1) | 1).max(3);
        if survivors < wanted {
            let count = wanted - survivors;
            steps.push(format!(
                "{} Make one token for each new master, on {}: quorate token create --role master",
                match survivors {
                    1 => format!("Join {count} new masters soon: the only one left must not die."),
                    _ if count == 1 => "Join a new master.".to_owned(),
                    _ => format!("Join {count} new masters."),
                },
                self.keeper.name
            ));
        }
        steps
    }
}

fn line(survivor: &Survivor) -> String {
    format!("{} {}  {}  {}", survivor.node, survivor.name, survivor.addr, end(survivor.last_log))
}

fn end(last: Option<LogPosition>) -> String {
    last.map_or_else(
        || "its log is empty".to_owned(),
        |last| format!("its log ends at entry {} of term {}", last.index, last.term),
    )
}

impl RecoveryReport {
    /// The report in words.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let position = |at: Option<LogPosition>| {
            at.map_or_else(|| "none".to_owned(), |at| format!("{} of term {}", at.index, at.term))
        };
        let voters: Vec<String> = self
            .voters
            .iter()
            .map(|set| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            .collect();
        let state = &self.state;
        writeln!(text, "Report of {} ({})", self.node, self.name)?;
        writeln!(text, "  cluster    {}", self.cluster)?;
        writeln!(text, "  epoch      {}", self.epoch)?;
        writeln!(text, "  vote       term {}, {}", self.vote.term, self.vote.node)?;
        writeln!(text, "  log ends   {}", position(self.last_log))?;
        writeln!(text, "  committed  {}", position(self.committed))?;
        writeln!(text, "  voters     {}", voters.join(", changing to "))?;
        writeln!(
            text,
            "  state      {} nodes, {} components, {} operations, {} settings, {} users",
            state.nodes, state.components, state.operations, state.settings, state.users
        )?;
        if let Some(at) = state.newest_change {
            writeln!(text, "  newest     {at}")?;
        }
        writeln!(text, "  report digest {}", self.digest)
    }
}
