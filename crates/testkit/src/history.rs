//! Checks that a history of reads and writes of single registers is linearizable.
//!
//! The method is that of Wing and Gong with Lowe's memory of visited states: an order of all
//! operations is looked for that respects real time and in which every read returns the last
//! value written. Operations whose outcome is unknown may take effect at any later time, or never.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

/// What was asked of a register.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// Write this value.
    Write(u64),
    /// Read; this was returned (`None`: there was no value).
    Read(Option<u64>),
}

/// One operation: when it was called and, unless its outcome is unknown, when it returned.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Which register.
    pub key: String,
    /// What.
    pub call: Call,
    /// When it was called, on one clock for all clients.
    pub called_at: u64,
    /// When it returned; `None` when its outcome is unknown.
    pub returned_at: Option<u64>,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |at: u64| at / 1_000_000;
        write!(f, "{:?} called at {} ms", self.call, ms(self.called_at))?;
        match self.returned_at {
            Some(at) => write!(f, ", returned at {} ms", ms(at)),
            None => write!(f, ", outcome unknown"),
        }
    }
}

/// Checks every register by itself: linearizability is local.
///
/// # Errors
/// The key whose operations cannot be ordered.
pub fn check(history: &[Operation]) -> Result<(), String> {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        // A read without an answer says nothing.
        if operation.returned_at.is_none() && matches!(operation.call, Call::Read(_)) {
            continue;
        }
        by_key.entry(&operation.key).or_default().push(operation);
    }
    for (key, operations) in by_key {
        let operations = settle_unknown(&operations);
        if !is_linearizable(&operations) {
            let shown: Vec<String> = operations.iter().map(Operation::to_string).collect();
            return Err(format!(
                "the operations on `{key}` cannot be ordered:\n{}",
                shown.join("\n")
            ));
        }
    }
    Ok(())
}

/// What can be known of writes without an answer, when each value was written once: one that no
/// read saw changes nothing and is left out, and one that was seen took effect before the first
/// such read returned. Without this, every such write would double the orders to be tried.
fn settle_unknown(operations: &[&Operation]) -> Vec<Operation> {
    let mut writers: HashMap<u64, usize> = HashMap::new();
    let mut seen_at: HashMap<u64, u64> = HashMap::new();
    for operation in operations {
        match (&operation.call, operation.returned_at) {
            (Call::Write(value), _) => *writers.entry(*value).or_default() += 1,
            (Call::Read(Some(value)), Some(at)) => {
                seen_at.entry(*value).and_modify(|first| *first = at.min(*first)).or_insert(at);
            }
            _ => {}
        }
    }
    let settle = |operation: &Operation| match operation.call {
        Call::Write(value) if operation.returned_at.is_none() && writers[&value] == 1 => {
            let returned_at = Some(*seen_at.get(&value)?);
            Some(Operation { returned_at, ..operation.clone() })
        }
        _ => Some(operation.clone()),
    };
    operations.iter().filter_map(|operation| settle(operation)).collect()
}

/// A set of operations, as bits.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn has(&self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    fn with(&self, index: usize) -> Self {
        let mut done = self.clone();
        done.0[index / 64] |= 1 << (index % 64);
        done
    }
}

fn is_linearizable(operations: &[Operation]) -> bool {
    let mut sorted: Vec<&Operation> = operations.iter().collect();
    sorted.sort_by_key(|operation| operation.called_at);
    let certain = sorted.iter().filter(|operation| operation.returned_at.is_some()).count();
    let mut visited: HashSet<(Done, Option<u64>)> = HashSet::new();
    let mut stack = vec![(Done::new(sorted.len()), None, 0_usize)];
    while let Some((done, value, certain_done)) = stack.pop() {
        if certain_done == certain {
            return true;
        }
        if !visited.insert((done.clone(), value)) {
            continue;
        }
        // Whatever was called before the first return among the rest may be next.
        let first_return = sorted
            .iter()
            .enumerate()
            .filter(|(index, _)| !done.has(*index))
            .filter_map(|(_, operation)| operation.returned_at)
            .min()
            .unwrap_or(u64::MAX);
        for (index, operation) in sorted.iter().enumerate() {
            if operation.called_at > first_return {
                break;
            }
            if done.has(index) {
                continue;
            }
            let next = match operation.call {
                Call::Write(written) => Some(written),
                Call::Read(read) if read == value => value,
                Call::Read(_) => continue,
            };
            let one = usize::from(operation.returned_at.is_some());
            stack.push((done.with(index), next, certain_done + one));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(call: Call, called_at: u64, returned_at: impl Into<Option<u64>>) -> Operation {
        Operation { key: "k".to_owned(), call, called_at, returned_at: returned_at.into() }
    }

    #[test]
    fn histories_are_judged_as_in_the_table() {
        use Call::{Read, Write};
        let table = [
            (
                "a read sees the write before it",
                vec![operation(Write(1), 0, 1), operation(Read(Some(1)), 2, 3)],
                true,
            ),
            (
                "a read does not see an older value",
                vec![
                    operation(Write(1), 0, 1),
                    operation(Write(2), 2, 3),
                    operation(Read(Some(1)), 4, 5),
                ],
                false,
            ),
            (
                "concurrent writes may take either order",
                vec![
                    operation(Write(1), 0, 10),
                    operation(Write(2), 0, 10),
                    operation(Read(Some(1)), 11, 12),
                ],
                true,
            ),
            (
                "an unknown write may have happened",
                vec![operation(Write(1), 0, None), operation(Read(Some(1)), 5, 6)],
                true,
            ),
            (
                "an unknown write may not have happened",
                vec![operation(Write(1), 0, None), operation(Read(None), 5, 6)],
                true,
            ),
            (
                "but once seen it stays",
                vec![
                    operation(Write(1), 0, None),
                    operation(Read(Some(1)), 5, 6),
                    operation(Read(None), 7, 8),
                ],
                false,
            ),
            (
                "an acknowledged write is not lost",
                vec![operation(Write(1), 0, 1), operation(Read(None), 2, 3)],
                false,
            ),
            (
                "two readers agree on an order",
                vec![
                    operation(Write(1), 0, 100),
                    operation(Write(2), 0, 100),
                    operation(Read(Some(1)), 1, 2),
                    operation(Read(Some(2)), 3, 4),
                    operation(Read(Some(1)), 5, 6),
                ],
                false,
            ),
        ];
        for (name, history, expected) in table {
            assert_eq!(check(&history).is_ok(), expected, "{name}");
        }
    }

    /// Tries every order: the plainest possible checker, for small histories.
    fn brute_force(history: &[Operation]) -> bool {
        fn place(left: &[Operation], value: Option<u64>) -> bool {
            if left.iter().all(|operation| operation.returned_at.is_none()) {
                return true;
            }
            (0..left.len()).any(|index| {
                let candidate = &left[index];
                let too_early = left.iter().any(|other| {
                    other.returned_at.is_some_and(|returned| returned < candidate.called_at)
                });
                if too_early {
                    return false;
                }
                let next = match candidate.call {
                    Call::Write(written) => Some(written),
                    Call::Read(read) if read == value => value,
                    Call::Read(_) => return false,
                };
                let mut rest = left.to_vec();
                rest.remove(index);
                place(&rest, next)
            })
        }
        place(history, None)
    }

    #[test]
    fn it_agrees_with_trying_every_order() {
        // A small deterministic generator: the seed is fixed, so a failure repeats.
        let mut seed = 0x5eed_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let (mut good, mut bad) = (0, 0);
        for round in 0..6000 {
            // In every other history each value is written once, as the clients do.
            let once = round % 2 == 0;
            let values = if once { 4 } else { 3 };
            let history: Vec<Operation> = (0..6)
                .map(|number| {
                    let called_at = random(20);
                    let call = if random(2) == 0 {
                        Call::Write(if once { number } else { random(values) })
                    } else {
                        Call::Read(if random(4) == 0 { None } else { Some(random(values)) })
                    };
                    let known = matches!(call, Call::Read(_)) || random(5) > 1;
                    operation(call, called_at, known.then(|| called_at + 1 + random(8)))
                })
                .collect();
            let expected = brute_force(&history);
            assert_eq!(check(&history).is_ok(), expected, "{history:#?}");
            if expected { good += 1 } else { bad += 1 }
        }
        assert!(good > 100 && bad > 100, "both kinds must occur: {good} good, {bad} bad");
    }
}
