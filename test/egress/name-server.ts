// A name server for a test: real DNS over UDP, whose answers the test makes up, one after the
// other.

import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { type Resolve, resolveByDns } from '../../src/egress/names.ts';

/**
 * What a question for the IPv4 addresses of a name is answered with; `count` is how often it was
 * asked before.
 */
export type Zone = (name: string, count: number) => readonly string[];

const [TYPE_A, CLASS_IN, NAME_ERROR] = [1, 1, 3];
const HEADER_BYTES = 12;

/**
 * Starts a name server, and answers what asks it. A name without addresses does not exist, and none
 * has an IPv6 address.
 */
export async function namesForTest(zone: Zone): Promise<Resolve> {
  const socket = createSocket('udp4');
  const asked = new Map<string, number>();
  socket.on('message', (question, { port, address }) => {
    const { name, type, end } = readQuestion(question);
    const count = asked.get(name) ?? 0;
    if (type === TYPE_A) asked.set(name, count + 1);
    const found = zone(name, count);
    const records = type === TYPE_A ? found.map(recordOf) : [];
    const header = Buffer.from(question.subarray(0, HEADER_BYTES));
    header.writeUInt16BE(0x8180 | (found.length === 0 ? NAME_ERROR : 0), 2);
    header.writeUInt16BE(records.length, 6);
    header.writeUInt32BE(0, 8);
    socket.send(Buffer.concat([header, question.subarray(HEADER_BYTES, end), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  const resolver = new dns.Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return resolveByDns(resolver);
}

function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  while (message[at] !== 0) {
    const length = message[at]!;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** The address of the name in the question, good for no time at all. */
function recordOf(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt16BE(4, 10);
  Buffer.from(address.split('.').map(Number)).copy(record, 12);
  return record;
}
