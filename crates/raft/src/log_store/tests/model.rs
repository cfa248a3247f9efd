//! The log file against a model: whatever is appended, cut off, purged and opened again, in any
//! order, it holds what it should.

use openraft::EntryPayload;
use proptest::prelude::*;
use prost::bytes::Bytes;

use super::{Change, Entry, Folder, LogFile, Replicated, entry, vault};

/// One thing that is done to a log; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    /// So many entries in each of these pieces, behind the log or, to replace its end, so many
    /// entries before that.
    Append {
        back: u64,
        pieces: Vec<u64>,
    },
    Truncate {
        back: u64,
    },
    Purge {
        of: u64,
        at_most: u64,
    },
    /// All of the log, and so many entries that it never had.
    PurgeAll {
        beyond: u64,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop_oneof![4 => Just(0_u64), 1 => 0..40_u64], prop::collection::vec(1..90_u64, 1..5))
            .prop_map(|(back, pieces)| Step::Append { back, pieces }),
        1 => (0..300_u64).prop_map(|back| Step::Truncate { back }),
        2 => (0..1000_u64, prop_oneof![Just(1_u64), Just(100), Just(u64::MAX)])
            .prop_map(|(of, at_most)| Step::Purge { of, at_most }),
        1 => (0..30_u64).prop_map(|beyond| Step::PurgeAll { beyond }),
        2 => Just(Step::Reopen),
    ]
}

/// What the log must hold: all entries from behind the purged ones to before `end`.
#[derive(Debug, Default, PartialEq)]
struct Model {
    purged: Option<u64>,
    end: u64,
    round: u64,
    /// In which round each entry was written, from index 0 on.
    written: Vec<u64>,
}

impl Model {
    fn begin(&self) -> u64 {
        self.purged.map_or(0, |purged| purged + 1)
    }

    fn entry(&self, index: u64) -> Entry {
        let round = self.written[usize::try_from(index).unwrap()];
        let bytes = format!("{round} wrote {index}").into_bytes();
        let payload = EntryPayload::Normal(Replicated::from_bytes(Bytes::from(bytes)));
        Entry { log_id: entry(index).log_id, payload }
    }

    fn entries(&self) -> Vec<Entry> {
        (self.begin()..self.end).map(|index| self.entry(index)).collect()
    }

    fn truncate(&mut self, back: u64) -> Change {
        let from = self.begin().max(self.end.saturating_sub(back));
        self.end = from;
        Change::Truncate { from, last: from.checked_sub(1).map(|index| entry(index).log_id) }
    }

    fn append(&mut self, back: u64, pieces: &[u64]) -> Vec<Change> {
        self.round += 1;
        // The engine cuts off what it replaces before it appends.
        let mut changes: Vec<_> = (back > 0).then(|| self.truncate(back)).into_iter().collect();
        let mut append = |count| {
            let from = self.end;
            self.end += count;
            self.written.resize(usize::try_from(from).unwrap(), 0);
            self.written.resize(usize::try_from(self.end).unwrap(), self.round);
            Change::Append((from..self.end).map(|index| self.entry(index)).collect())
        };
        changes.extend(pieces.iter().map(|&count| append(count)));
        changes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_log_holds_what_was_appended_and_neither_cut_off_nor_purged(
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let folder = Folder::new();
        let open = || LogFile::open(&folder.path(), vault(&folder.keyring)).unwrap();
        let (mut file, _) = open();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append { back, pieces } => {
                    let changes = model.append(back, &pieces);
                    file.apply(&changes).unwrap();
                }
                Step::Truncate { back } => {
                    let change = model.truncate(back);
                    file.apply(&[change]).unwrap();
                }
                Step::Purge { of, at_most } => {
                    let Some(upto) = (model.begin()..model.end).nth(
                        usize::try_from(of % (model.end - model.begin()).max(1)).unwrap(),
                    ) else { continue };
                    let mut left = Some(entry(upto).log_id);
                    while let Some(upto) = left {
                        left = file.apply(&[Change::Purge { upto, at_most }]).unwrap();
                    }
                    model.purged = Some(upto);
                }
                Step::PurgeAll { beyond } => {
                    let upto = model.end + beyond;
                    let purge = Change::Purge { upto: entry(upto).log_id, at_most: 1 };
                    prop_assert_eq!(file.apply(&[purge]).unwrap(), None);
                    (model.purged, model.end) = (Some(upto), upto + 1);
                }
                Step::Reopen => {
                    file.close();
                    let loaded;
                    (file, loaded) = open();
                    prop_assert_eq!(loaded.entries, model.entries());
                    prop_assert_eq!(loaded.purged.map(|id| id.index), model.purged);
                }
            }
            let (begin, end) = (model.begin(), model.end);
            prop_assert_eq!(file.read(begin, end, usize::MAX).unwrap(), model.entries());
            let middle = begin + (end - begin) / 2;
            let part = file.read(middle, end, 1).unwrap();
            prop_assert_eq!(part, model.entries().into_iter().skip(
                usize::try_from(middle - begin).unwrap()).take(1).collect::<Vec<_>>());
        }
    }
}
