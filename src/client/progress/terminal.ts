// What is written to a terminal, by the client as by the commands: nothing that comes from
// elsewhere may steer it. No module of Node is needed here.

import pc from 'picocolors';
import type { Output } from '../environment.ts';

export type { Output };

// CSI and OSC sequences of ECMA-48, and those of two characters.
const ESCAPES =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]/gu;
// C0 but tab and line feed, DEL, C1, and the marks that turn the direction of text around.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text without escape sequences and control characters; tabs and line ends stay. */
export function plain(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(ESCAPES, '').replaceAll(UNPRINTABLE, '');
}

/** The same on one line. */
export function plainLine(text: string): string {
  return plain(text)
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('\t', ' ');
}

/** Colours on a terminal, none anywhere else; NO_COLOR is minded. */
export function coloursFor(output: Pick<Output, 'isTTY'>): ReturnType<typeof pc.createColors> {
  return pc.createColors(output.isTTY === true && pc.isColorSupported);
}
