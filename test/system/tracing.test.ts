import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { serviceForTest } from '../support/service.ts';
import { until } from '../support/until.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
const tracestate = 'rojo=00f067aa0ba902b7';

/** A program that answers with the headers of its invocation where it is asked for them. */
const PROGRAM = { model: [process.execPath, join(import.meta.dirname, '../fixtures/obeying-program.js')] };

/** Registers an SDK as an operator does; everything that it exports can be looked at. */
function registerSdk(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  onTestFinished(() => {
    trace.disable();
    propagation.disable();
    context.disable();
  });
  return exporter;
}

const spanNamed = (exporter: InMemorySpanExporter, name: string): Promise<ReadableSpan> =>
  until(`a span ${name} was exported`, () => exporter.getFinishedSpans().find((span) => span.name === name));

describe('without an SDK', () => {
  test('the trace of a request reaches the model as it came', async () => {
    const server = await serviceForTest({ endpoints: { program: PROGRAM } });
    const { json } = await server.post('/invoke', { input: { do: 'headers' } }, { traceparent, tracestate });
    expect(json.outputs).toMatchObject({ traceparent, tracestate });
  });

  test('a request without one, or with one that is not valid, is nobody’s', async () => {
    const server = await serviceForTest({ endpoints: { program: PROGRAM } });
    for (const headers of [{}, { traceparent: 'garbage', tracestate }]) {
      const { json } = await server.post('/invoke', { input: { do: 'headers' } }, headers);
      expect(json.outputs).not.toHaveProperty('traceparent');
      expect(json.outputs).not.toHaveProperty('tracestate');
    }
  });

  test('a run that is tried again joins the trace of the caller that asked for that', async () => {
    const server = await serviceForTest({ endpoints: { program: PROGRAM } });
    const first = await server.post('/invoke', { input: { do: 'headers' } }, { traceparent });
    const other = `00-${TRACE.replace('4', '5')}-00f067aa0ba902b7-01`;
    const again = await server.send('POST', `/runs/${first.json.run_id}/retry`, { headers: { traceparent: other } });
    expect((await server.ended(again.json.run_id)).outputs).toMatchObject({ traceparent: other });
  });

  test('the trace outlives the server that took the run in', async () => {
    const data = await folderForTest();
    const first = await serviceForTest({ endpoints: { program: { model: ['sleep', '600'], mode: 'async' } }, data });
    const submitted = await first.post('/invoke', { input: { do: 'headers' } }, { traceparent });
    expect(submitted.status).toBe(202);
    await first.stop();
    const second = await serviceForTest({ endpoints: { program: PROGRAM }, data });
    expect((await second.ended(submitted.json.run_id)).outputs).toMatchObject({ traceparent });
  });
});

describe('with an SDK', () => {
  test('a submit is a span in the trace of its request, an attempt a child of it, and the model is handed that one', async () => {
    const exporter = registerSdk();
    const server = await serviceForTest({ endpoints: { program: PROGRAM } });
    const { json } = await server.post('/invoke', { input: { do: 'headers' } }, { traceparent, tracestate });
    const submit = await spanNamed(exporter, 'claimcheck.submit');
    const attempt = await spanNamed(exporter, 'claimcheck.attempt');
    expect(submit.kind).toBe(SpanKind.SERVER);
    expect(submit.spanContext().traceId).toBe(TRACE);
    expect(submit.parentSpanContext?.spanId).toBe('00f067aa0ba902b7');
    expect(submit.attributes).toMatchObject({ 'claimcheck.run_id': json.run_id, 'http.route': '/invoke' });
    expect(attempt.kind).toBe(SpanKind.INTERNAL);
    expect(attempt.parentSpanContext?.spanId).toBe(submit.spanContext().spanId);
    expect(attempt.attributes).toMatchObject({
      'claimcheck.run_id': json.run_id,
      'claimcheck.attempt': 1,
      'claimcheck.endpoint': 'program',
      'claimcheck.outcome': 'succeeded',
    });
    expect(json.outputs).toMatchObject({ traceparent: `00-${TRACE}-${attempt.spanContext().spanId}-01`, tracestate });
  });

  test('what goes wrong is said by its span', async () => {
    const exporter = registerSdk();
    const server = await serviceForTest({ endpoints: { program: PROGRAM, closed: { ...PROGRAM, queueLimit: 0 } } });
    await server.post('/endpoints/program/invoke', { input: { do: 'fail' } });
    const attempt = await spanNamed(exporter, 'claimcheck.attempt');
    expect(attempt.status.code).toBe(SpanStatusCode.ERROR);
    expect(attempt.attributes).toMatchObject({ 'error.type': 'model-error', 'claimcheck.outcome': 'failed' });
    exporter.reset();
    expect((await server.post('/endpoints/closed/invoke', { input: 1 })).status).toBe(429);
    const submit = await spanNamed(exporter, 'claimcheck.submit');
    expect(submit.status.code).toBe(SpanStatusCode.ERROR);
    expect(submit.attributes).toMatchObject({ 'error.type': 'queue-full' });
  });

  test('the chunks of a batch are in its trace, below its own attempt', async () => {
    const exporter = registerSdk();
    const server = await serviceForTest({ endpoints: { rows: { model: './echo.ts', batchSize: 1 } } });
    await server.postRaw('/invoke', 'text/csv', 'a\n1\n2\n', { traceparent });
    const spans = await until('all attempts were exported', () => {
      const attempts = exporter.getFinishedSpans().filter(({ name }) => name === 'claimcheck.attempt');
      return attempts.length === 3 ? attempts : null;
    });
    const batch = spans.find(({ attributes }) => attributes['claimcheck.kind'] === 'batch')!;
    const chunks = spans.filter(({ attributes }) => attributes['claimcheck.kind'] === 'chunk');
    expect(chunks.map((span) => span.parentSpanContext?.spanId)).toEqual([
      batch.spanContext().spanId,
      batch.spanContext().spanId,
    ]);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]));
  });

  test('it is preloaded with --import, and the server needs to be told nothing of it', async () => {
    const folder = await folderForTest();
    const preloaded = join(folder, 'telemetry.mjs');
    const from = (name: string): string => JSON.stringify(import.meta.resolve(name));
    writeFileSync(
      preloaded,
      `import { propagation, trace } from ${from('@opentelemetry/api')};
       import { W3CTraceContextPropagator } from ${from('@opentelemetry/core')};
       import { ConsoleSpanExporter, SimpleSpanProcessor, TracerProvider } from ${from('@opentelemetry/sdk-trace')};
       console.dir = (span) => console.error('span', span.name, span.traceId);
       propagation.setGlobalPropagator(new W3CTraceContextPropagator());
       trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: new ConsoleSpanExporter() })] }));`,
    );
    const environment = { NODE_OPTIONS: `--import ${preloaded}` };
    const server = await startServerProcess(folder, { program: PROGRAM }, environment);
    const { status } = await send(server.url, 'POST', '/invoke', {
      headers: { 'content-type': 'application/json', traceparent },
      body: '{"input":{"do":"headers"}}',
    });
    expect(status).toBe(200);
    for (const name of ['submit', 'attempt'])
      await until(`the span of the ${name} was printed`, () =>
        server.stderr().includes(`span claimcheck.${name} ${TRACE}`),
      );
  });
});
