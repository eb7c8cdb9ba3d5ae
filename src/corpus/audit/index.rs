//! All pairs of 256-bit hashes within a distance, without comparing all pairs.
//!
//! Multi-index hashing (Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012): a
//! hash is cut into 8 words of 32 bits. Where two hashes differ in at most 23 bits, one of the words differs in at most
//! 2, so it is enough to look up every word with up to 2 bits flipped, 529 look-ups a word. Exact, not approximate.
//!
//! The hashes of chest X-rays are far from random: neighbouring bits say nearly the same, and words of neighbouring bits
//! would be equal for many images. So a word takes its bits from all over the grid. Of the pairs of 2,134 X-rays, 1.2 %
//! have such a word in common (with words of whole rows, 12 %). Called by `duplicates`.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use rayon::prelude::*;

use super::look::{Hash, distance};

/// Most bits in which two hashes of a pair may differ.
pub(super) const RADIUS: u32 = 23;
/// Words of a hash.
const WORDS: usize = 8;
/// Most bits in which the nearest word of a pair differs.
const WORD_RADIUS: u32 = RADIUS / WORDS as u32;

/// A pair of places in a list of hashes, the smaller first, and the bits in which they differ.
pub(super) type HashPair = (usize, usize, u32);

/// The pairs that differ in at most [`RADIUS`] bits, sorted.
pub(super) fn pairs(hashes: &[Hash]) -> Vec<HashPair> {
    let words: Vec<[u32; WORDS]> = hashes.iter().map(words).collect();
    let tables: Vec<Table> = (0..WORDS).into_par_iter().map(|word| Table::new(&words, word)).collect();
    let mut pairs: Vec<HashPair> = (0..hashes.len())
        .into_par_iter()
        .flat_map_iter(|image| {
            let mut found = Vec::new();
            for (word, table) in tables.iter().enumerate() {
                table.near(words[image][word], |other| {
                    if other < image && !shares_earlier_word(&words[image], &words[other], word) {
                        let distance = distance(&hashes[image], &hashes[other]);
                        if distance <= RADIUS {
                            found.push((other, image, distance));
                        }
                    }
                });
            }
            found
        })
        .collect();
    pairs.sort_unstable();
    pairs
}

/// Whether the pair was met in an earlier word already.
fn shares_earlier_word(a: &[u32; WORDS], b: &[u32; WORDS], word: usize) -> bool {
    (0..word).any(|earlier| (a[earlier] ^ b[earlier]).count_ones() <= WORD_RADIUS)
}

/// The words of a hash: the bit of row r and column c of the grid goes to word (3 r + c) mod 8, which gives each word two
/// bits of every row, eight columns apart.
fn words(hash: &Hash) -> [u32; WORDS] {
    let (mut words, mut filled) = ([0; WORDS], [0_u32; WORDS]);
    for bit in 0..256 {
        let word = (3 * (bit / 16) + bit % 16) % WORDS;
        let value = (hash[bit / 64] >> (bit % 64) & 1) as u32;
        words[word] |= value << filled[word];
        filled[word] += 1;
    }
    words
}

/// Which images have which value of one word.
struct Table {
    images: HashMap<u32, Vec<u32>, BuildHasherDefault<Mix>>,
    /// A bit for each hashed value that occurs: most look-ups end here, without touching the map.
    occurs: Vec<u64>,
}

/// Bits of the index into [`Table::occurs`].
const FILTER_BITS: u32 = 22;

impl Table {
    fn new(words: &[[u32; WORDS]], word: usize) -> Self {
        let mut table = Self { images: HashMap::default(), occurs: vec![0; (1 << FILTER_BITS) / 64] };
        for (image, words) in (0_u32..).zip(words) {
            let slot = slot(words[word]);
            table.occurs[slot / 64] |= 1 << (slot % 64);
            table.images.entry(words[word]).or_default().push(image);
        }
        table
    }

    /// Tells every image whose value differs from `value` in at most [`WORD_RADIUS`] bits.
    fn near(&self, value: u32, mut tell: impl FnMut(usize)) {
        let mut look_up = |value: u32| {
            let slot = slot(value);
            if self.occurs[slot / 64] >> (slot % 64) & 1 == 1
                && let Some(images) = self.images.get(&value)
            {
                images.iter().for_each(|&image| tell(image as usize));
            }
        };
        look_up(value);
        for first in 0..32 {
            let once = value ^ 1 << first;
            look_up(once);
            for second in 0..first {
                look_up(once ^ 1 << second);
            }
        }
    }
}

const _: () = assert!(WORD_RADIUS == 2, "`near` flips up to two bits");

/// Fibonacci hashing: the high bits of a product with 2^32 over the golden ratio.
fn slot(value: u32) -> usize {
    (value.wrapping_mul(0x9e37_79b9) >> (32 - FILTER_BITS)) as usize
}

/// The hash of a word for the map: the words are spread enough that one multiplication does.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_force(hashes: &[Hash]) -> Vec<HashPair> {
        let mut pairs = Vec::new();
        for (second, b) in hashes.iter().enumerate() {
            for (first, a) in hashes[..second].iter().enumerate() {
                let distance = distance(a, b);
                if distance <= RADIUS {
                    pairs.push((first, second, distance));
                }
            }
        }
        pairs.sort_unstable();
        pairs
    }

    #[test]
    fn every_bit_is_in_one_word() {
        for bit in 0..256 {
            let mut hash = [0; 4];
            hash[bit / 64] = 1 << (bit % 64);
            assert_eq!(words(&hash).iter().map(|word| word.count_ones()).sum::<u32>(), 1, "bit {bit}");
        }
        assert_eq!(words(&[u64::MAX; 4]), [u32::MAX; WORDS]);
    }

    #[test]
    fn pairs_at_the_radius_are_found_and_those_beyond_are_not() {
        let flipped = |bits: std::ops::Range<usize>| {
            let mut hash = [0; 4];
            bits.for_each(|bit| hash[bit / 64] |= 1 << (bit % 64));
            hash
        };
        assert_eq!(pairs(&[[0; 4], flipped(0..23)]), [(0, 1, 23)]);
        assert_eq!(pairs(&[[0; 4], flipped(0..24)]), []);
        assert_eq!(pairs(&[[5; 4]; 3]), [(0, 1, 0), (0, 2, 0), (1, 2, 0)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Families of hashes around common ancestors, so that distances of 0 to 60 all occur.
        #[test]
        fn the_same_pairs_as_by_brute_force(
            ancestors in proptest::collection::vec(any::<Hash>(), 1..4),
            flips in proptest::collection::vec((0_usize..4, proptest::collection::vec(0_usize..256, 0..30)), 2..60),
        ) {
            let hashes: Vec<Hash> = flips
                .iter()
                .map(|(ancestor, bits)| {
                    let mut hash = ancestors[ancestor % ancestors.len()];
                    bits.iter().for_each(|bit| hash[bit / 64] ^= 1 << (bit % 64));
                    hash
                })
                .collect();
            prop_assert_eq!(pairs(&hashes), brute_force(&hashes));
        }
    }
}
