//! Processors that components are compiled for.
//!
//! A baseline, one of the levels of the x86-64 psABI, gives the same machine code on every machine,
//! so that code compiled on one machine runs on another. Features of the processor beyond the
//! baseline stay unused; `native` uses all of them, and the code runs only on this type of
//! processor.

use std::fmt;
use std::str::FromStr;

/// Target processor (`KEYNET_CPU`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cpu {
    /// Any 64-bit x86 processor.
    X86_64,
    /// x86-64 with SSE 4.2, POPCNT and CMPXCHG16B: since about 2009.
    X86_64V2,
    /// x86-64 with AVX2, BMI, FMA and LZCNT: since about 2015.
    X86_64V3,
    /// x86-64 with AVX-512: some servers.
    X86_64V4,
    /// The processor of the compiling machine, with all its features.
    Native,
}

/// Processor feature: cranelift's flag for it, the lowest level that includes it, and a function
/// that reports whether this processor has it.
type Feature = (&'static str, Cpu, fn() -> bool);

macro_rules! features {
    ($($flag:literal $level:ident $name:tt),* $(,)?) => {
        &[$(($flag, Cpu::$level, || {
            #[cfg(target_arch = "x86_64")]
            return std::arch::is_x86_feature_detected!($name);
            #[cfg(not(target_arch = "x86_64"))]
            false
        })),*]
    };
}

/// Features of each level that cranelift can use.
const FEATURES: &[Feature] = features![
    "has_sse3" X86_64V2 "sse3",
    "has_ssse3" X86_64V2 "ssse3",
    "has_sse41" X86_64V2 "sse4.1",
    "has_sse42" X86_64V2 "sse4.2",
    "has_popcnt" X86_64V2 "popcnt",
    "has_cmpxchg16b" X86_64V2 "cmpxchg16b",
    "has_avx" X86_64V3 "avx",
    "has_avx2" X86_64V3 "avx2",
    "has_bmi1" X86_64V3 "bmi1",
    "has_bmi2" X86_64V3 "bmi2",
    "has_fma" X86_64V3 "fma",
    "has_lzcnt" X86_64V3 "lzcnt",
    "has_avx512f" X86_64V4 "avx512f",
    "has_avx512dq" X86_64V4 "avx512dq",
    "has_avx512vl" X86_64V4 "avx512vl",
];

const NAMES: [(&str, Cpu); 5] = [
    ("x86-64", Cpu::X86_64),
    ("x86-64-v2", Cpu::X86_64V2),
    ("x86-64-v3", Cpu::X86_64V3),
    ("x86-64-v4", Cpu::X86_64V4),
    ("native", Cpu::Native),
];

impl Cpu {
    /// Returns cranelift's flags for this level; `None` to use those of this machine's processor.
    pub fn flags(self) -> Option<impl Iterator<Item = &'static str>> {
        (self != Self::Native).then(|| {
            FEATURES.iter().filter(move |(_, level, _)| *level <= self).map(|(flag, ..)| *flag)
        })
    }

    /// Reports whether this machine's processor runs code for this level.
    pub fn runs_here(self) -> bool {
        self == Self::Native
            || (cfg!(target_arch = "x86_64")
                && FEATURES
                    .iter()
                    .filter(|(_, level, _)| *level <= self)
                    .all(|(.., detected)| detected()))
    }

    /// Returns this level, or `native` if this machine's processor does not run code for it.
    pub fn or_native(self) -> Self {
        if self.runs_here() {
            return self;
        }
        tracing::warn!(
            "this machine's processor is not {self}: components are compiled for it alone, and \
                code that was compiled for {self} elsewhere is not used; KEYNET_CPU says what is \
                compiled for"
        );
        Self::Native
    }
}

impl Default for Cpu {
    /// Returns `x86-64-v3`, which nearly every server supports; on other architectures the
    /// processor of this machine.
    fn default() -> Self {
        if cfg!(target_arch = "x86_64") { Self::X86_64V3 } else { Self::Native }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(_, cpu)| cpu == self).map_or("", |(name, _)| name))
    }
}

impl FromStr for Cpu {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(name, _)| *name == text).map(|(_, cpu)| *cpu);
        known.ok_or_else(|| {
            format!(
                "{text:?} is not a processor; write x86-64, x86-64-v2, x86-64-v3, x86-64-v4 or \
                    native"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, cpu) in NAMES {
            assert_eq!((name.parse(), cpu.to_string().as_str()), (Ok(cpu), name));
        }
        assert!("haswell".parse::<Cpu>().unwrap_err().contains("x86-64-v3"));
    }

    #[test]
    fn a_level_has_all_of_the_levels_below() {
        let flags = |cpu: Cpu| cpu.flags().unwrap().collect::<Vec<_>>();
        assert!(flags(Cpu::X86_64).is_empty());
        assert!(
            flags(Cpu::X86_64V3).contains(&"has_sse42")
                && flags(Cpu::X86_64V3).contains(&"has_avx2")
        );
        assert!(!flags(Cpu::X86_64V3).contains(&"has_avx512f"));
        assert_eq!(flags(Cpu::X86_64V4).len(), FEATURES.len());
        assert!(Cpu::Native.flags().is_none() && Cpu::Native.runs_here());
    }

    /// Compares with the kernel's list of the processor's features.
    #[test]
    fn what_runs_here_is_what_the_processor_has() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
        let has = |all: &[&str]| {
            all.iter().all(|name| flags.split_whitespace().any(|flag| flag == *name))
        };
        assert_eq!(Cpu::X86_64.runs_here(), cfg!(target_arch = "x86_64"));
        assert_eq!(
            Cpu::X86_64V3.runs_here(),
            has(&["sse4_2", "popcnt", "cx16", "avx2", "bmi1", "bmi2", "fma", "abm"])
        );
        assert_eq!(
            Cpu::X86_64V4.runs_here(),
            Cpu::X86_64V3.runs_here() && has(&["avx512f", "avx512dq", "avx512vl"])
        );
    }
}
