//! Chance that can be repeated: a seed gives the same throws every time.

/// `SplitMix64`: small, and good enough for dice.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that throw as the seed says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of this run: from `QUORATE_SEED`, else another one for each process. It is
    /// printed, so that a failure can be repeated.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a failed test shows what it printed")]
    pub fn seed() -> u64 {
        let seed = std::env::var("QUORATE_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| u64::from(std::process::id()));
        println!("QUORATE_SEED={seed}");
        seed
    }

    /// A number below `limit`.
    pub const fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % if limit == 0 { 1 } else { limit }
    }

    /// A position in a list of so many.
    ///
    /// # Panics
    /// Never: what is below a position is one.
    pub fn position(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).expect("it is below a usize")
    }

    /// A time from `least` to `most` milliseconds.
    pub const fn between_ms(&mut self, least: u64, most: u64) -> std::time::Duration {
        std::time::Duration::from_millis(least + self.below(most - least + 1))
    }

    /// Dice of their own for somebody who throws at the same time.
    pub const fn split(&mut self) -> Self {
        Self(self.below(u64::MAX))
    }
}
