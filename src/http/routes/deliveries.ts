// GET /runs/{id}/deliveries and POST /runs/{id}/deliveries/{delivery_id}/redeliver.

import type { FastifyReply } from 'fastify';
import type { DeliveryId } from '../../domain/delivery.ts';
import { parseRunId, type RunId } from '../../domain/ids.ts';
import { inSeconds, toRfc3339 } from '../../domain/time.ts';
import { runNotFound } from '../../engine/runs.ts';
import type { DeliveryAttemptRecord, DeliveryRecord } from '../../stores/ledger/ledger.ts';
import { DeliveryBody, DeliveryList } from '../../wire/deliveries.ts';
import type { RouteContext } from '../context.ts';
import { deliveriesPath } from '../paths.ts';
import { type Call, type Route, route } from '../route.ts';

/** See the head of this file. */
export const DELIVERY_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/runs/:id/deliveries',
    operationId: 'listDeliveries',
    tag: 'runs',
    summary: 'See how a run’s webhooks were delivered',
    scope: 'read',
    answers: {
      200: {
        description: 'Every webhook about the run with every attempt at it; none before the run has ended.',
        content: { 'application/json': DeliveryList },
      },
    },
    problems: ['run-not-found'],
    handle: list,
  }),
  route({
    method: 'POST',
    path: '/runs/:id/deliveries/:delivery_id/redeliver',
    operationId: 'redeliver',
    tag: 'runs',
    summary: 'Deliver a webhook again',
    description: 'A new series of attempts under the same `webhook-id`, regardless of how the last one ended.',
    scope: 'manage',
    answers: {
      202: {
        description: 'It is due now.',
        content: { 'application/json': DeliveryBody },
        headers: ['Location'],
      },
    },
    problems: ['run-not-found', 'run-not-ended', 'delivery-not-found'],
    handle: redeliver,
  }),
];

async function list({ engine }: RouteContext, { params, principal, reply }: Call<object, null>): Promise<FastifyReply> {
  const deliveries = await engine.runs.deliveries(idOf(params['id']!), principal);
  const body: DeliveryList = { deliveries: deliveries.map(deliveryBody) };
  return reply.type('application/json').send(JSON.stringify(body));
}

async function redeliver(
  { engine }: RouteContext,
  { params, principal, reply }: Call<object, null>,
): Promise<FastifyReply> {
  const runId = idOf(params['id']!);
  const delivery = await engine.redeliver(runId, principal, params['delivery_id']! as DeliveryId);
  return reply
    .code(202)
    .header('location', deliveriesPath(runId))
    .type('application/json')
    .send(JSON.stringify(deliveryBody(delivery)));
}

function idOf(text: string): RunId {
  const runId = parseRunId(text);
  if (runId === null) throw runNotFound(text.slice(0, 64));
  return runId;
}

function deliveryBody(delivery: DeliveryRecord): DeliveryBody {
  const { deliveryId, event, url, outcome, createdAt, dueAt, attempts } = delivery;
  return {
    delivery_id: deliveryId,
    event,
    url,
    status: outcome ?? 'pending',
    created_at: toRfc3339(createdAt),
    next_attempt_at: outcome === null ? toRfc3339(dueAt) : null,
    attempts: attempts.map(attemptBody),
  };
}

function attemptBody({
  attempt,
  startedAt,
  finishedAt,
  answer,
}: DeliveryAttemptRecord): DeliveryBody['attempts'][number] {
  return {
    attempt,
    started_at: toRfc3339(startedAt),
    finished_at: finishedAt === null ? null : toRfc3339(finishedAt),
    status: answer?.status ?? null,
    latency_seconds: answer === null ? null : inSeconds(answer.latency),
    detail: answer?.detail ?? null,
  };
}
