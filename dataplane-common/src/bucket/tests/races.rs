//! Other CPUs at the same word: no charge is lost, and the bound holds.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::*;

/// A word that other CPUs always win.
struct Contested(Cell<u64>);

impl Word for Contested {
    fn load(&self) -> u64 {
        self.0.get()
    }

    fn compare_exchange(&self, _: u64, _: u64) -> Result<(), u64> {
        Err(self.0.get())
    }

    fn add(&self, amount: u64) {
        self.0.add(amount);
    }
}

/// A word that other CPUs move, by the next of `others`, whenever this one has seen it.
struct Raced {
    word: Cell<u64>,
    others: Cell<Vec<u64>>,
}

impl Raced {
    fn moved_after(&self, found: u64) -> u64 {
        let mut others = self.others.take();
        self.word.add(others.pop().unwrap_or(0));
        self.others.set(others);
        found
    }
}

impl Word for Raced {
    fn load(&self) -> u64 {
        self.moved_after(self.word.get())
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        self.word.compare_exchange(current, new).map_err(|found| self.moved_after(found))
    }

    fn add(&self, amount: u64) {
        self.word.add(amount);
    }
}

impl Word for AtomicU64 {
    fn load(&self) -> u64 {
        AtomicU64::load(self, SeqCst)
    }

    fn compare_exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        AtomicU64::compare_exchange(self, current, new, SeqCst, SeqCst).map(|_| ())
    }

    fn add(&self, amount: u64) {
        self.fetch_add(amount, SeqCst);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn a_word_that_others_always_win_is_charged_and_bounded(
        (shape, limit) in limits(), start in clocks(), packets in packets(),
    ) {
        // Others can only win a word by moving it, so it does not lie in the past.
        let word = Contested(Cell::new(start << UNITS_PER_NS_SHIFT));
        let (mut now, mut accepted, mut charged) = (start, Accepted::default(), 0);
        for (gap, bytes, random) in packets {
            now += drain_ns(shape.rate, u64::from(bytes)) * gap.min(16) / 16;
            match take(&word, &limit, now, bytes, || random) {
                Taken::Contended => {
                    accepted.count(bytes);
                    charged += limit.cost(bytes);
                }
                Taken::Accepted => prop_assert!(false, "the exchange cannot succeed"),
                Taken::Early | Taken::Full => {}
            }
            accepted.check(&[shape], now - start, 1);
            prop_assert_eq!(word.load(), (start << UNITS_PER_NS_SHIFT).wrapping_add(charged));
        }
    }

    #[test]
    fn no_charge_is_lost_in_a_race(
        (_, limit) in limits(), start in clocks(), others in proptest::collection::vec(1..=1000u64, 0..12),
    ) {
        prop_assume!(limit.first_backlog >= others.iter().sum());
        let started = start << UNITS_PER_NS_SHIFT;
        let word = Raced { word: Cell::new(started), others: Cell::new(others.clone()) };
        let expected = if others.len() < TRIES { Taken::Accepted } else { Taken::Contended };
        prop_assert_eq!(take(&word, &limit, start, 60, || LUCKY), expected);
        let others = others.iter().sum::<u64>() - word.others.take().iter().sum::<u64>();
        prop_assert_eq!(word.word.get(), started.wrapping_add(others + limit.cost(60)));
    }

    #[test]
    fn chance_is_asked_once_however_often_the_word_is_lost(
        (_, limit) in limits(), start in clocks(), point in any::<u32>(), others in 0..2 * TRIES,
    ) {
        let ramp = limit.full_backlog - limit.first_backlog;
        prop_assume!(ramp > 64);
        let backlog = limit.first_backlog + 1 + u64::from(point) % (ramp - 32);
        let word = Cell::new((start << UNITS_PER_NS_SHIFT).wrapping_add(backlog));
        let word = Raced { word, others: Cell::new(vec![1; others]) };
        let asked = Cell::new(0);
        let taken = take(&word, &limit, start, 60, || {
            asked.set(asked.get() + 1);
            LUCKY
        });
        prop_assert!(asked.get() == 1 && (passed(taken) || limit.drop_threshold(backlog + 32) > u64::from(LUCKY)));
    }

    #[test]
    fn a_packet_that_lost_the_word_is_judged_again(
        (_, limit) in limits(), start in clocks(), before in 0..TRIES,
    ) {
        let word = Cell::new(start << UNITS_PER_NS_SHIFT);
        let others = std::iter::once(limit.full_backlog + 1).chain(std::iter::repeat_n(1, before));
        let word = Raced { word, others: Cell::new(others.collect()) };
        prop_assume!(limit.first_backlog >= 8);
        prop_assert_eq!(take(&word, &limit, start, 60, || LUCKY), Taken::Full);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn racing_cpus_are_bounded_by_a_packet_more_each(
        (shape, limit) in limits(), start in clocks(), window in magnitudes(1, SECOND), seed in any::<u64>(),
    ) {
        let word = AtomicU64::new(start << UNITS_PER_NS_SHIFT);
        let hammer = |mut state: u64| {
            let mut sum = Accepted::default();
            for _ in 0..2000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (now, bytes) = (start + (state >> 20) % window, 60 + (state >> 33) as u32 % 65_491);
                if passed(take(&word, &limit, now, bytes, || LUCKY)) {
                    sum.count(bytes);
                }
            }
            sum
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| hammer(seed));
            (hammer(!seed), one.join().expect("no panic"))
        });
        Accepted {
            packets: one.packets + other.packets,
            bytes: one.bytes + other.bytes,
            largest: one.largest.max(other.largest),
        }
        .check(&[shape], window, 2);
    }
}
