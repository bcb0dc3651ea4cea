// The shape of a product that is only measured: NB blocks of Q rows and P inputs, columns LEAD of LD.

override NB: u32 = 1u;
override Q: u32 = 64u;
override P: u32 = 64u;
override LD: u32 = 64u;
override LEAD: u32 = 0u;
