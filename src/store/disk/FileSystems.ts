/** File systems by the number that statfs gives them. */
export const types = {
  ext: 0xef53,
  xfs: 0x5846_5342,
  btrfs: 0x9123_683e,
  tmpfs: 0x0102_1994,
  fat: 0x4d44,
  exfat: 0x2011_bab0
}
