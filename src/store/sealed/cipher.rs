//! How texts are encrypted and keys are hidden: without waiting, since it happens in the middle of transactions.
//!
//! A sealed text is `s1.` and, in base64 (RFC 4648 §5, without padding):
//!
//! ```text
//!   6 bytes    the number of the data key
//!   6 bytes    what it weighs for whoever cannot open it
//!  12 bytes    the nonce, random for each text
//!   n bytes    the text, encrypted by AES-256-GCM
//!  16 bytes    its tag
//! ```
//!
//! What the text belongs to (the user, and the row or the document) and what it weighs are authenticated with it: a text that was put
//! elsewhere cannot be opened there. Random nonces of 96 bits are good for 2^32 texts under one key (NIST SP 800-38D, 8.3).

use crate::platform::{DATA_KEY_BYTES, DataKey};
use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::BlockEncrypt as _;
use aes_gcm::{AeadInPlace as _, Aes256Gcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroize as _;

/// What a sealed text of this version begins with.
const VERSION: &str = "s1.";
/// How many bytes numbers have. Both of them, and so what a sealed text begins with, come out whole in base64.
const NUMBER: usize = 6;
const HEAD: usize = NUMBER * 2;
pub(super) const NONCE: usize = 12;
const TAG: usize = 16;
const BLOCK: usize = 16;

/// A data key, ready for use. Its key schedules are wiped from memory when it is dropped.
pub(super) struct Cipher {
    key: DataKey,
    texts: Aes256Gcm,
    keys: Aes256,
}

impl Cipher {
    pub(super) fn new(key: &DataKey) -> Self {
        let (texts, keys) = key.bytes.split_at(DATA_KEY_BYTES / 2);
        Self { key: key.clone(), texts: Aes256Gcm::new(texts.into()), keys: Aes256::new(keys.into()) }
    }

    pub(super) fn number(&self) -> u64 {
        self.key.number
    }

    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }

    /// Encrypts a text of that place, which weighs so much. No two texts ever may get the same nonce. `None` beyond 64 GiB.
    pub(super) fn seal(&self, place: &str, weight: u64, nonce: &[u8; NONCE], text: &[u8]) -> Option<String> {
        let mut bytes = Vec::with_capacity(HEAD + NONCE + text.len() + TAG);
        for number in [self.number(), weight] {
            bytes.extend_from_slice(number.to_be_bytes().split_at(8 - NUMBER).1);
        }
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(text);
        let (head, content) = bytes.split_at_mut(HEAD);
        let (_, text) = content.split_at_mut(NONCE);
        let Ok(tag) = self.texts.encrypt_in_place_detached(nonce.into(), &about(place, head), text) else {
            bytes.zeroize();
            return None;
        };
        bytes.extend_from_slice(&tag);
        let mut sealed = String::with_capacity(VERSION.len() + bytes.len().div_ceil(3) * 4);
        sealed.push_str(VERSION);
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut sealed);
        Some(sealed)
    }

    /// Opens what was sealed at that place with this key. `None` if it is damaged, or belongs elsewhere.
    pub(super) fn open(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let length = bytes.len().checked_sub(HEAD + NONCE + TAG)?;
        let (head, content) = bytes.split_at_mut(HEAD);
        let (nonce, content) = content.split_at_mut(NONCE);
        let (text, tag) = content.split_at_mut(length);
        self.texts.decrypt_in_place_detached((&*nonce).into(), &about(place, head), text, (&*tag).into()).ok()?;
        bytes.truncate(HEAD + NONCE + length);
        bytes.drain(..HEAD + NONCE);
        Some(bytes)
    }

    /// What stands for a key in an index: the same for the same key, and of no use to whoever has not got the data key. CBC-MAC,
    /// which is as good as any keyed hash for texts of which none begins another one: their length comes first.
    pub(super) fn hide(&self, key: &str) -> String {
        let mut state = [0; BLOCK];
        for (byte, length) in state.iter_mut().zip((key.len() as u64).to_be_bytes()) {
            *byte = length;
        }
        self.keys.encrypt_block((&mut state).into());
        for block in key.as_bytes().chunks(BLOCK) {
            for (byte, other) in state.iter_mut().zip(block) {
                *byte ^= other;
            }
            self.keys.encrypt_block((&mut state).into());
        }
        URL_SAFE_NO_PAD.encode(state)
    }
}

/// What is authenticated with a text: what it belongs to, and what is said of it in the clear.
fn about(place: &str, head: &[u8]) -> Vec<u8> {
    [head, place.as_bytes()].concat()
}

/// Whether a text is sealed, by this version or a newer one. None that is not begins so: they are JSON.
pub(super) fn is_sealed(text: &str) -> bool {
    let Some((version, _)) = text.strip_prefix('s').and_then(|rest| rest.split_once('.')) else { return false };
    !version.is_empty() && version.len() <= 3 && version.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a sealed text says of itself in the clear. No two texts say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealing {
    /// The number of the key that it was sealed with.
    pub(super) number: u64,
    /// What it weighs, if nobody has tampered with it.
    pub(super) weight: u64,
    nonce: [u8; NONCE],
}

impl Sealing {
    /// `None` if a newer version has sealed it, or it is damaged.
    pub(super) fn of(sealed: &str) -> Option<Self> {
        let head = URL_SAFE_NO_PAD.decode(sealed.strip_prefix(VERSION)?.get(..(HEAD + NONCE) / 3 * 4)?).ok()?;
        let (numbers, nonce) = head.split_at_checked(HEAD)?;
        let (number, weight) = numbers.split_at_checked(NUMBER)?;
        let read = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(Self { number: read(number), weight: read(weight), nonce: nonce.try_into().ok()? })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cipher(seed: u8) -> Cipher {
        Cipher::new(&DataKey { number: 1_780_315_200_000 + u64::from(seed), bytes: Box::new([seed; 64]) })
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap()).collect()
    }

    /// Test cases 13 to 16 of "The Galois/Counter Mode of Operation (GCM)", 2004, which NIST's validation took over.
    #[test]
    fn the_published_answers_for_aes_256_gcm_come_out() {
        let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
        let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
        let zeros = "0".repeat(64);
        let cases = [
            (&*zeros, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
            (
                &zeros,
                "000000000000000000000000",
                "00000000000000000000000000000000",
                "",
                "cea7403d4d606b6e074ec5d3baf39d18",
                "d0d1c8a799996bf0265b98b5d48ab919",
            ),
            (key, "cafebabefacedbaddecaf888", plain, "", sealed, "b094dac5d93471bdec1a502270e3cc6c"),
            (
                key,
                "cafebabefacedbaddecaf888",
                &plain[..120],
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                &sealed[..120],
                "76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ];
        for (key, nonce, plain, place, sealed, tag) in cases {
            let cipher = Aes256Gcm::new(bytes(key).as_slice().into());
            let (mut text, nonce) = (bytes(plain), bytes(nonce));
            let found = cipher.encrypt_in_place_detached(nonce.as_slice().into(), &bytes(place), &mut text).unwrap();
            assert_eq!((text, found.to_vec()), (bytes(sealed), bytes(tag)));
        }
    }

    /// FIPS 197, appendix C.3.
    #[test]
    fn the_published_answer_for_aes_256_comes_out() {
        let key: Vec<u8> = (0..32).collect();
        let mut block: [u8; 16] = bytes("00112233445566778899aabbccddeeff").try_into().unwrap();
        Aes256::new(key.as_slice().into()).encrypt_block((&mut block).into());
        assert_eq!(block.to_vec(), bytes("8ea2b7ca516745bfeafc49904b496089"));
    }

    #[test]
    fn a_text_with_any_byte_changed_is_not_opened() {
        let cipher = cipher(1);
        let sealed = cipher.seal("place", 7, &[7; NONCE], b"{\"type\":\"save_draft\"}").unwrap();
        assert_eq!(cipher.open("place", &sealed).as_deref(), Some(&b"{\"type\":\"save_draft\"}"[..]));
        for place in 0..sealed.len() {
            for bit in 0..7 {
                let mut changed = sealed.clone().into_bytes();
                changed[place] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(cipher.open("place", &changed).is_none(), "{place} {bit}");
                let _: Option<Sealing> = Sealing::of(&changed);
            }
            assert_eq!(cipher.open("place", &sealed[..place]), None);
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_opened_at_its_place_and_nowhere_else(
            text in prop::collection::vec(any::<u8>(), 0..400), place in ".*", other in ".*", nonce in any::<[u8; 12]>(),
            weight in 0..1_u64 << 48,
        ) {
            let sealed = cipher(1).seal(&place, weight, &nonce, &text).unwrap();
            prop_assert!(is_sealed(&sealed));
            prop_assert_eq!(Sealing::of(&sealed), Some(Sealing { number: cipher(1).number(), weight, nonce }));
            prop_assert_eq!(cipher(1).open(&place, &sealed), Some(text));
            prop_assert_eq!(cipher(2).open(&place, &sealed), None);
            prop_assert!(place == other || cipher(1).open(&other, &sealed).is_none());
        }

        #[test]
        fn whatever_is_there_instead_of_a_sealed_text_is_not_opened(text in ".*") {
            prop_assert_eq!(cipher(1).open("place", &text), None);
            prop_assert_eq!(cipher(1).open("place", &["s1.", &text].concat()), None);
        }

        #[test]
        fn keys_are_hidden_each_as_itself(one in ".{0,40}", other in ".{0,40}") {
            let hidden = cipher(1).hide(&one);
            prop_assert_eq!(&hidden, &cipher(1).hide(&one));
            prop_assert_eq!(hidden.len(), 22);
            prop_assert_eq!(hidden == cipher(1).hide(&other), one == other);
            prop_assert_ne!(hidden, cipher(2).hide(&one));
        }
    }

    #[test]
    fn keys_that_begin_alike_or_end_in_nothing_are_told_apart() {
        let keys = ["", "\0", "\0\0", "0123456789abcdef", "0123456789abcdef\0", "0123456789abcdef0", &"\0".repeat(16)];
        let mut hidden: Vec<String> = keys.iter().map(|key| cipher(1).hide(key)).collect();
        hidden.sort();
        hidden.dedup();
        assert_eq!(hidden.len(), keys.len());
    }

    #[test]
    fn json_is_not_taken_for_sealed() {
        for text in ["", "{}", "s", "s1", "s.x", "sx.y", "\"s1.\"", "s1234.x", "1f2e3d4cs1."] {
            assert!(!is_sealed(text), "{text}");
        }
        assert!(is_sealed("s1.") && is_sealed("s2.what a newer version writes"));
    }
}
