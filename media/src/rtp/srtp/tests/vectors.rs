//! Test vectors of RFC 3711 (appendix B), RFC 6188 (section 7) and RFC 7714 (sections 16 and 17).

use super::super::counter::Counter;
use super::super::derive::{derive, SessionKeys};
use super::super::session::{Place, Session};
use super::super::{Keys, Srtp, Suite, GROWTH};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

fn derived<const N: usize>(master: &str, salt: &str, label: u8) -> [u8; N] {
    let mut out = [0; N];
    derive(&bytes(master), &bytes(salt), label, &mut out);
    out
}

#[test]
fn session_keys_are_those_of_rfc_3711_b_3() {
    let (master, salt) = (
        "E1F97A0D3E018BE0D64FA32C06DE4139",
        "0EC675AD498AFEEBB6960B3AABE6",
    );
    let key = bytes("C61E7A93744F39EE10734AFE3FF7A087");
    assert_eq!(derived::<16>(master, salt, 0).to_vec(), key);
    let salted = bytes("30CBBC08863D8C85D49DB34A9AE1");
    assert_eq!(derived::<14>(master, salt, 2).to_vec(), salted);
    let auth = bytes(
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
         E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
         6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2",
    );
    assert_eq!(derived::<94>(master, salt, 1).to_vec(), auth);
}

#[test]
fn session_keys_are_those_of_rfc_6188_7_2() {
    let master = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6";
    let salt = "3b04803de51ee7c96423ab5b78d2";
    let key = bytes("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
    assert_eq!(derived::<32>(master, salt, 0).to_vec(), key);
    let salted = bytes("fa31791685ca444a9e07c6c64e93");
    assert_eq!(derived::<14>(master, salt, 2).to_vec(), salted);
    let auth = bytes("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
    assert_eq!(derived::<20>(master, salt, 1).to_vec(), auth);
}

/// The blocks of the keystream of packet 0 of SSRC 0 that the RFCs print.
fn keystream(suite: Suite, key: &str) -> [Vec<u8>; 6] {
    let salt = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD";
    let keys = SessionKeys::stated(suite, &bytes(key), &bytes(salt));
    let mut stream = vec![0; 0xff02 * 16];
    Counter::new(suite, &keys)
        .unwrap()
        .crypt(&mut stream, Place { ssrc: 0, index: 0 });
    [0, 1, 2, 0xfeff, 0xff00, 0xff01].map(|block| stream[block * 16..block * 16 + 16].to_vec())
}

#[test]
fn the_keystream_is_that_of_rfc_3711_b_2() {
    let expected = [
        "E03EAD0935C95E80E166B16DD92B4EB4",
        "D23513162B02D0F72A43A2FE4A5F97AB",
        "41E95B3BB0A2E8DD477901E4FCA894C0",
        "EC8CDF7398607CB0F2D21675EA9EA1E4",
        "362B7C3C6773516318A077D7FC5073AE",
        "6A2CC3787889374FBEB4C81B17BA6C44",
    ];
    let key = "2B7E151628AED2A6ABF7158809CF4F3C";
    assert_eq!(
        keystream(Suite::AesCm128HmacSha1_80, key),
        expected.map(bytes)
    );
}

#[test]
fn the_keystream_is_that_of_rfc_6188_7_1() {
    let expected = [
        "92bdd28a93c3f52511c677d08b5515a4",
        "9da71b2378a854f67050756ded165bac",
        "63c4868b7096d88421b563b8c94c9a31",
        "cea518c90fd91ced9cbb18c078a54711",
        "3dbc4814f4da5f00a08772b63c6a046d",
        "6eb246913062a16891433e97dd01a57f",
    ];
    let key = "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98";
    assert_eq!(
        keystream(Suite::AesCm256HmacSha1_80, key),
        expected.map(bytes)
    );
}

/// Packets as libsrtp, which everybody uses, seals them.
#[test]
fn packets_look_as_from_libsrtp() {
    let of_128 = "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6";
    let of_256 = "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
                  3b04803de51ee7c96423ab5b78d2";
    let rtp = "800f1234decafbadcafebabe";
    let sealed_128 = "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb";
    let sealed_256 = "f1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b";
    for (suite, master, sealed) in [
        (Suite::AesCm128HmacSha1_80, of_128, sealed_128),
        (Suite::AesCm256HmacSha1_80, of_256, sealed_256),
    ] {
        let mut srtp = both_ways(suite, &bytes(master));
        let mut buffer = [bytes(rtp), vec![0xab; 16], vec![0; GROWTH]].concat();
        let end = srtp.seal_rtp(&mut buffer, 28);
        assert_eq!(buffer[..end], [bytes(rtp), bytes(sealed)].concat());
    }
    let mut srtp = both_ways(Suite::AesCm128HmacSha1_80, &bytes(of_128));
    let header = bytes("81c8000bcafebabe");
    let mut buffer = [header.clone(), vec![0xab; 16], vec![0; GROWTH]].concat();
    let end = srtp.seal_rtcp(&mut buffer, 24).unwrap();
    let sealed = "7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
    assert_eq!(buffer[..end], [header, bytes(sealed)].concat());
}

fn both_ways(suite: Suite, master: &[u8]) -> Srtp {
    let keys = Keys {
        suite,
        ours: master.to_vec(),
        theirs: master.to_vec(),
    };
    Srtp::new(keys).unwrap()
}

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn gcm(suite: Suite, key: &str) -> Session {
    let keys = SessionKeys::stated(suite, &bytes(key), &bytes("517569642070726f2071756f"));
    Session::from_keys(suite, &keys).unwrap()
}

#[test]
fn packets_of_gcm_are_those_of_rfc_7714_16() {
    let header = "8040f17b8041f8d35501a0b2";
    let payload = b"Gallia est omnis divisa in partes tres";
    let place = Place {
        ssrc: 0x5501_a0b2,
        index: 0xf17b,
    };
    let sealed_128 = "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b
                      36de3adf8833899d7f27beb16a9152cf765ee4390cce";
    let sealed_256 = "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f
                      1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
    for (suite, key, sealed) in [
        (Suite::AeadAes128Gcm, KEY_128, sealed_128),
        (Suite::AeadAes256Gcm, KEY_256, sealed_256),
    ] {
        let session = gcm(suite, key);
        let plain = [bytes(header), payload.to_vec()].concat();
        let mut buffer = [plain.clone(), vec![0; 16]].concat();
        assert_eq!(session.seal_rtp(&mut buffer, plain.len(), 12, place), 66);
        assert_eq!(buffer, [bytes(header), bytes(sealed)].concat());
        assert_eq!(session.open_rtp(&mut buffer, 12, place), Some(plain.len()));
        assert_eq!(buffer[..plain.len()], plain);
    }
}

#[test]
fn reports_of_gcm_are_those_of_rfc_7714_17() {
    let plain = bytes(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
         deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    let of_128 = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d
                  c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf872
                  45d9eade800005d4";
    let of_256 = "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50
                  a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6c
                  b26ac3be800005d4";
    let place = Place {
        ssrc: 0x4d61_7273,
        index: 0x5d4,
    };
    for (suite, key, sealed) in [
        (Suite::AeadAes128Gcm, KEY_128, of_128),
        (Suite::AeadAes256Gcm, KEY_256, of_256),
    ] {
        let session = gcm(suite, key);
        let mut buffer = [plain.clone(), vec![0; 20]].concat();
        let end = session.seal_rtcp(&mut buffer, plain.len(), place);
        assert_eq!(buffer[..end], bytes(sealed));
        assert_eq!(session.rtcp_word(&buffer), Some(0x8000_05d4));
        let length = session.open_rtcp(&mut buffer, place, true).unwrap();
        assert_eq!(buffer[..length], plain);
    }
    // §17.3: only authenticated.
    let tag = "841dd9683dd78ec92ae58790125f62b3000005d4";
    let mut clear = [plain.clone(), bytes(tag)].concat();
    let session = gcm(Suite::AeadAes128Gcm, KEY_128);
    assert_eq!(
        session.open_rtcp(&mut clear, place, false),
        Some(plain.len())
    );
}
