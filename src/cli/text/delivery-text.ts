// Webhooks and the attempts at them as text for people.

import type { DeliveryBody } from '../../wire/deliveries.ts';
import { timeText } from '../../client/progress/rate.ts';
import { columns, type coloursFor, plainLine } from './text.ts';

type Colours = ReturnType<typeof coloursFor>;

/** Webhooks, each with its attempts below it. */
export function deliveryList(deliveries: readonly DeliveryBody[], colours: Colours): string {
  if (deliveries.length === 0) return 'No webhooks.\n';
  return deliveries.map((one) => `${headText(one)}\n${attemptsText(one, colours)}`).join('');
}

function headText({ event, url, status, next_attempt_at: next }: DeliveryBody): string {
  const then = next === null ? '' : `, next attempt at ${next}`;
  return plainLine(`${event} to ${url}: ${status}${then}`);
}

function attemptsText({ attempts }: DeliveryBody, colours: Colours): string {
  if (attempts.length === 0) return '';
  const lines = attempts.map(({ attempt, started_at: at, latency_seconds: latency, detail }) => [
    `  ${attempt}`,
    at,
    latency === null ? '' : timeText(latency),
    detail ?? 'on its way, or cut off',
  ]);
  const [head = '', ...rest] = columns([['  #', 'STARTED', 'TOOK', 'ANSWER'], ...lines])
    .trimEnd()
    .split('\n');
  return [colours.dim(head), ...rest, ''].join('\n');
}
