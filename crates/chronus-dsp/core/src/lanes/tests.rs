//! Every operation gives the same bits in every set as with plain numbers.

use super::*;

/// Numbers at the edges, and by chance.
fn numbers() -> Vec<f32> {
    let edges =
        [0.0, 1.0, 0.5, 1.5, 2.5, 8_388_609.0, 2_147_483_648.0, 2_147_483_520.0, 3e38, 1e-39];
    let edges = edges.into_iter().chain([f32::INFINITY, f32::NAN, f32::EPSILON, f32::MIN_POSITIVE]);
    let mut numbers: Vec<f32> = edges.flat_map(|edge| [edge, -edge]).collect();
    let mut seed = 1_u64;
    for _ in 0..100 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.push(f32::from_bits((seed >> 32) as u32));
        numbers.push((seed >> 40) as f32 / 65_536.0 - 128.0);
    }
    numbers
}

/// Rows are loaded side by side, and become columns.
#[inline(always)]
fn check_rows<R: Rows>(rows: R) {
    let row = |i: usize| core::array::from_fn(|tap| (10 * i + tap) as f32);
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| rows.load_rows(&row(i), &row(4 + i)));
    for (tap, column) in rows.columns([a, b, c, d]).into_iter().enumerate() {
        let expected: [f32; 8] = core::array::from_fn(|i| (10 * i + tap) as f32);
        assert_eq!(rows.array(column), expected);
    }
}

#[test]
fn rows_become_columns() {
    check_rows(base());
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = V3::try_new() {
        check_rows(v3);
    }
}

/// Whether bits are the same, or both are NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// All results of a set for a frame of `a`, `b` and `c`, by name.
#[inline(always)]
fn results<const C: usize, L: Lanes<C>>(
    lanes: L,
    [a, b, c]: [&[f32; C]; 3],
) -> Vec<(&'static str, [f32; C])> {
    let [x, y, z] = [lanes.load(a), lanes.load(b), lanes.load(c)];
    let [i, j] = [a, b].map(|frame| lanes.load_ints(&frame.map(f32::to_bits)));
    let floats = [
        ("add", x + y),
        ("add a number", x + 0.1),
        ("sub", x - y),
        ("mul", x * y),
        ("div", x / y),
        ("neg", -x),
        ("fused", lanes.fused(x, y, z)),
        ("at_least", x.at_least(y)),
        ("at_most", x.at_most(y)),
        ("within", x.within(y, z)),
        ("between", x.between(-1.0, 2.0)),
        ("magnitude", x.magnitude()),
        ("root", x.root()),
        ("lt", Floats::choose(x.lt(y), y, z)),
        ("le", Floats::choose(x.le(y), y, z)),
        ("gt", Floats::choose(x.gt(y), y, z)),
        ("eq", Floats::choose(x.eq(y), y, z)),
        ("without", x.without(y.lt(z))),
        ("eq itself", Floats::choose(x.eq(x), y, z)),
        ("and, or, not", Floats::choose((x.lt(y) | y.lt(z)) & !x.le(z), y, z)),
        ("to_doubles", (x.to_doubles() * y.to_doubles() / 3.0 + z.to_doubles()).to_floats()),
        ("doubles", ((x.to_doubles() - 0.1) * 1.1 / y.to_doubles() - 1e-9).to_floats()),
        ("doubles root", x.to_doubles().root().to_floats()),
        ("doubles between", x.to_doubles().between(-1.0, 2.0).magnitude().to_floats()),
        ("doubles lt", {
            let (x, y, z) = (x.to_doubles(), y.to_doubles(), z.to_doubles());
            Doubles::choose((x.lt(y) | x.eq(z)) & !y.lt(z), y, z).to_floats()
        }),
        ("to_floats", i.to_floats()),
        ("ints to_doubles", (i.to_doubles() * 1.1).to_floats()),
    ];
    let ints = [
        ("bits", x.bits()),
        ("plus", i.plus(j)),
        ("minus", i.minus(j)),
        ("times", i.times(j)),
        ("and", i & j),
        ("or", i | j),
        ("xor", i ^ j),
        ("and a number", i & 0x00ff_00ff),
        ("not", !i),
        ("up", i.up(7)),
        ("down", i.down(9)),
        ("down_signed", i.down_signed(9)),
        ("ints magnitude", Ints::magnitude(i)),
        ("lt_signed", Ints::choose(i.lt_signed(j), i, j)),
        ("ints eq", Ints::choose(Ints::eq(i, j), i, !j)),
        ("to_ints", x.to_ints()),
        ("to_ints_within", x.between(-2e9, 2e9).at_least(x.like(-2e9)).to_ints_within()),
        ("low_bits", (x.to_doubles() + 6_755_399_441_055_744.0).low_bits()),
        ("doubles to_ints_within", {
            let held = x.between(-2e9, 2e9).at_least(x.like(-2e9));
            held.to_doubles().to_ints_within()
        }),
    ];
    let answers = [
        ("any", x.lt(y).any()),
        ("all", x.lt(y).all()),
        ("doubles any", x.to_doubles().lt(y.to_doubles()).any()),
        ("doubles all", x.to_doubles().lt(y.to_doubles()).all()),
    ];
    let channels = |channels: u32| core::array::from_fn(|c| (channels >> c & 1) as f32);
    let told = [
        ("channels", channels(x.lt(y).channels())),
        ("doubles channels", channels(x.to_doubles().lt(y.to_doubles()).channels())),
    ];
    let stored = |x: L::Doubles| {
        let mut doubles = [0.0; C];
        lanes.store_doubles(x, &mut doubles);
        doubles.map(|x| x as f32)
    };
    let sums = lanes.load_doubles(&a.map(f64::from)) + lanes.all_doubles(0.5);
    let mut all: Vec<_> = floats.map(|(name, x)| (name, lanes.array(x))).to_vec();
    let bits = |x| lanes.array_of_ints(x).map(f32::from_bits);
    all.extend(ints.map(|(name, x)| (name, bits(x.plus(x.like(0))))));
    all.extend(answers.map(|(name, is)| (name, lanes.array(lanes.all(f32::from(u8::from(is)))))));
    all.extend(told);
    all.push(("all_ints", bits(lanes.all_ints(0x1234_5678))));
    all.push(("doubles from and to memory", stored(sums)));
    all
}

struct Check<const C: usize, L>(L);

impl<const C: usize, L: Lanes<C>> NullaryFnOnce for Check<C, L> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let numbers = numbers();
        let frames = |by: usize| {
            (0..numbers.len()).map(move |n| -> [usize; C] {
                core::array::from_fn(|c| (n + c * by) % numbers_len())
            })
        };
        for by in [1, 3, 7, 11, 29] {
            for places in frames(by) {
                let at = |by: usize| places.map(|place| numbers[(place * by) % numbers.len()]);
                let [a, b, c] = [at(1), at(5), at(9)];
                let found = results(self.0, [&a, &b, &c]);
                for channel in 0..C {
                    let expected = results(base(), [&[a[channel]], &[b[channel]], &[c[channel]]]);
                    for ((name, found), (_, [expected])) in found.iter().zip(&expected) {
                        if matches!(*name, "any" | "all" | "doubles any" | "doubles all") {
                            continue;
                        }
                        let found = found[channel];
                        let numbers = [a[channel], b[channel], c[channel]];
                        assert!(
                            same(found, *expected),
                            "{name} of {numbers:?}: {found:?}, not {expected:?}"
                        );
                    }
                }
                let answer = |wanted| found.iter().find(|(name, _)| *name == wanted).unwrap().1[0];
                let less: Vec<_> = a.iter().zip(&b).map(|(a, b)| a < b).collect();
                let (any, all) = (less.contains(&true), !less.contains(&false));
                for (names, expected) in
                    [(["any", "doubles any"], any), (["all", "doubles all"], all)]
                {
                    for name in names {
                        assert_eq!(answer(name) != 0.0, expected, "{name} of {less:?}");
                    }
                }
            }
        }
    }
}

fn numbers_len() -> usize {
    numbers().len()
}

fn check<const C: usize, L: Lanes<C>>(lanes: L) {
    lanes.run(Check::<C, L>(lanes));
}

#[test]
fn all_sets_give_the_bits_of_plain_numbers() {
    check::<1, _>(base());
    check::<4, _>(base());
    check::<8, _>(base());
    check::<16, _>(base());
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = V3::try_new() {
        check::<1, _>(v3);
        check::<4, _>(v3);
        check::<8, _>(v3);
        check::<16, _>(v3);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v4) = V4::try_new() {
        check::<16, _>(v4);
    }
}
