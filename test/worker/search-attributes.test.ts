import type { Connection } from '@temporalio/client';
import { NoTemporalError } from '../../src/worker/no-temporal';
import { createCommand, ensureSearchAttributes, SEARCH_ATTRIBUTES } from '../../src/worker/search-attributes';

const KEYWORD = 2;
const all = Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, KEYWORD]));

test('what is all there is left alone', async () => {
  await expect(ensureSearchAttributes(server({ listed: all }), 'models')).resolves.toEqual([]);
});

test('where we may not create them, the error is the command to run', async () => {
  const { SegueOutcome: _missing, ...listed } = all;
  const failed: unknown = await ensureSearchAttributes(server({ listed, create: refusal(7, 'not for you') }), 'models').catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(NoTemporalError);
  expect((failed as Error).message).toContain('not for you');
  expect((failed as Error).message).toContain(createCommand('models', ['SegueOutcome']));
});

test('one of another type is named: writing to it would fail every rollout', async () => {
  await expect(ensureSearchAttributes(server({ listed: { ...all, SegueModel: 1 } }), 'models')).rejects.toThrow(/SegueModel is there, but not of type Keyword/);
});

describe('a server that has no operator service is asked by counting', () => {
  test('all known', async () => {
    await expect(ensureSearchAttributes(server({ list: refusal(12), unknown: [] }), 'models')).resolves.toEqual([]);
  });

  test('an unknown one cannot be created here: the command says so', async () => {
    await expect(ensureSearchAttributes(server({ list: refusal(12), create: refusal(12), unknown: ['SeguePhase'] }), 'models')).rejects.toThrow(createCommand('models', ['SeguePhase']));
  });

  test('no answer is not "unknown"', async () => {
    await expect(ensureSearchAttributes(server({ list: refusal(12), count: refusal(14, 'down') }), 'models')).rejects.toThrow(/cannot ask whether it has the search attribute SegueFleet \(down\)/);
  });
});

interface Behaviour {
  readonly listed?: Readonly<Record<string, number>>;
  readonly list?: Error;
  readonly create?: Error;
  readonly count?: Error;
  readonly unknown?: readonly string[];
}

function server({ listed, list, create, count, unknown = [] }: Behaviour): Connection {
  return {
    operatorService: {
      listSearchAttributes: () => (list === undefined ? Promise.resolve({ customAttributes: listed }) : Promise.reject(list)),
      addSearchAttributes: () => (create === undefined ? Promise.resolve({}) : Promise.reject(create)),
    },
    workflowService: {
      countWorkflowExecutions: ({ query }: { query: string }) => {
        if (count !== undefined) return Promise.reject(count);
        return unknown.some((name) => query.startsWith(name)) ? Promise.reject(refusal(3, 'invalid search attribute')) : Promise.resolve({});
      },
    },
  } as unknown as Connection;
}

function refusal(code: number, message = 'no'): Error {
  return Object.assign(new Error(message), { code });
}
