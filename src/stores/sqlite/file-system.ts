// Which file systems a ledger may lie on. SQLite is durable and alone only where locks and fsync
// mean what they say; over a network they may not: https://www.sqlite.org/howtocorrupt.html,
// section 2, and https://www.sqlite.org/useovernet.html.

import { readFileSync, statfsSync, statSync } from 'node:fs';

/**
 * What statfs(2) calls the file systems that lie on another machine. Sources: linux/magic.h and
 * statfs(2); those marked * are in neither, and are as the `stat` of GNU coreutils knows them
 * (src/stat.c).
 */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x00_00_69_69, 'NFS'],
  [0x00_00_51_7b, 'SMB'],
  [0xff_53_4d_42, 'SMB (cifs)'],
  [0xfe_53_4d_42, 'SMB (smb2)'],
  [0x00_00_56_4c, 'NCP'],
  [0x53_46_41_4f, 'AFS'],
  [0x6b_41_46_53, 'AFS (kafs)'],
  [0x73_75_72_45, 'Coda'],
  [0x00_c3_64_00, 'CEPH'],
  // Also how Windows shares its disks with WSL (/mnt/c), and many machines theirs with a virtual
  // one.
  [0x01_02_19_97, '9p'],
  [0x78_6f_42_56, 'a shared folder of VirtualBox'], // *
  [0xba_cb_ac_bc, 'a shared folder of VMware'], // *
  [0x7c_7c_66_73, 'a shared folder of Parallels'], // *
  [0x0b_d0_0b_d0, 'Lustre'], // *
  [0x47_50_46_53, 'GPFS'], // *
  [0x19_83_03_26, 'BeeGFS'], // *
  [0xaa_d7_aa_ea, 'PanFS'], // *
]);

/**
 * Anything a program can dream up, local or not; mountinfo says which program. Source:
 * linux/magic.h.
 */
const FUSE = 0x65_73_55_46;
/**
 * Programs behind FUSE whose files lie on another machine, as they name themselves in mountinfo.
 * Any other is taken for local.
 */
const NETWORK_FUSE =
  /^fuse\.(?:sshfs|s3fs|goofys|gcsfuse|blobfuse2?|rclone|davfs2?|curlftpfs|glusterfs|ceph(?:-fuse)?|juicefs|mfs)$/;

/**
 * The name of a network file system, by the type that statfs(2) says and, for FUSE, by mountinfo's;
 * null for any other.
 */
export function networkFileSystem(type: number, mounted: () => string | null): string | null {
  if (type !== FUSE) return NETWORK.get(type) ?? null;
  const name = mounted();
  return name !== null && NETWORK_FUSE.test(name) ? name.slice('fuse.'.length) : null;
}

/**
 * The file system type of a device, as a line of /proc/self/mountinfo says it
 * (proc_pid_mountinfo(5)); null where there is none.
 */
export function mountedType(mountinfo: string, device: number): string | null {
  // As glibc's gnu_dev_major and gnu_dev_minor take a dev_t apart, for the 32 bits that Linux uses.
  const wanted = `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`;
  for (const line of mountinfo.split('\n')) {
    const [where, what] = line.split(' - ');
    if (where?.split(' ')[2] === wanted) return what?.split(' ')[0] ?? null;
  }
  return null;
}

/**
 * Refuses a folder that lies on another machine. Linux alone says what a folder lies on in numbers
 * that mean the same everywhere, so nothing is refused on other systems.
 *
 * @throws Error that names the file system, why it cannot be used, and what to do
 */
export function assertLocal(folder: string): void {
  if (process.platform !== 'linux') return;
  const name = networkFileSystem(statfsSync(folder).type, () =>
    mountedType(readFileSync('/proc/self/mountinfo', 'utf8'), statSync(folder).dev),
  );
  if (name === null) return;
  throw new Error(
    `${folder} lies on ${name}, a file system of another machine: its locks and its fsync cannot be trusted to keep what was acknowledged. Choose a folder on a disk of this machine with --data, or keep runs in Postgres (database: postgres://…).`,
  );
}
