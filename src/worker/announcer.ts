// Keeps a fleet aware of one server: announces it, again whenever what it has to say changed, looks every half minute, and announces again when the fleet is missing, new, or
// knows something else. An agent without a journal hears from it what is stable.

import type { Connection } from '@temporalio/client';
import { Client, QueryNotRegisteredError, QueryRejectedError, WorkflowNotFoundError } from '@temporalio/client';
import type { Seed } from '../agent/seed';
import type { FleetState, Member, ModelState } from '../domain/fleet-facts';
import type { Announcement } from '../domain/host';
import type { FleetName, ModelName, ServerName } from '../domain/names';
import { CONTROL_QUEUE, fleetWorkflowId } from '../domain/names';
import { errorText } from './error-text';

/** What the fleet says of one server, or that there is no fleet to say anything. */
export type Known = Pick<Member, 'incarnation' | 'seeded' | 'models' | 'silentSinceMs'> | 'unknownServer' | 'noFleet';

/** The things an announcer needs of Temporal. */
export interface FleetContact {
  readonly announce: (announcement: Announcement) => Promise<void>;
  /** Rejects when nobody answers: then nothing is known, and nothing is concluded. */
  readonly look: (server: ServerName) => Promise<Known>;
  /** What is stable, by model. Rejects when nobody answers. */
  readonly stable: () => Promise<Seed>;
}

export interface Announced {
  /** Asked each second: what there is to say now. */
  readonly current: () => Announcement;
  /** Called with what is stable while `current` says that the agent is not seeded; answers why it still is not. */
  readonly seed?: (stable: Seed) => Promise<string | undefined>;
}

export interface Announcer {
  readonly stop: () => void;
}

const LOOK_EVERY_MS = 30_000;
/** How soon a change is told; looking at our own agent costs nothing. */
const TICK_MS = 1_000;

/** Announces at once. */
export function keepAnnounced(contact: FleetContact, { current, seed }: Announced, report: (line: string) => void, lookEveryMs = LOOK_EVERY_MS): Announcer {
  let told: string | undefined;
  let said: string | undefined;
  let lookAtMs = 0;
  let busy = false;
  const say = (line: string | undefined): void => {
    if (line !== undefined && line !== said) report(line);
    said = line;
  };
  const tick = async (): Promise<void> => {
    const announcement = current();
    const facts = factsOf(announcement);
    if (told !== facts) {
      await contact.announce(announcement);
      told = facts;
      lookAtMs = Date.now() + lookEveryMs;
    } else if (Date.now() >= lookAtMs) {
      lookAtMs = Date.now() + lookEveryMs;
      if (mustAnnounce(await contact.look(announcement.server), announcement)) told = undefined;
    }
    if (announcement.seeded === false && seed !== undefined) say(await seed(await contact.stable()));
  };
  const run = (): void => {
    if (busy) return;
    busy = true;
    tick().catch((error: unknown) => report(`the fleet does not hear us: ${errorText(error)}`)).finally(() => {
      busy = false;
    });
  };
  const ticker = setInterval(run, Math.min(TICK_MS, lookEveryMs));
  run();
  return { stop: () => clearInterval(ticker) };
}

export function mustAnnounce(known: Known, announcement: Announcement): boolean {
  return known === 'noFleet' || known === 'unknownServer' || known.silentSinceMs !== undefined || factsOf(known) !== factsOf(announcement);
}

/** Equal for equal facts, in whatever order they were written down. */
function factsOf({ incarnation, seeded, models }: Pick<Announcement, 'incarnation' | 'seeded' | 'models'>): string {
  return JSON.stringify({ incarnation, seeded: seeded ?? true, models }, (_key, value: unknown) => (
    typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value));
}

/** A query waits for a control worker; when none is there it must not hold the announcer for long. */
const QUERY_DEADLINE_MS = 10_000;

export function fleetContact(connection: Connection, namespace: string, fleet: FleetName): FleetContact {
  // A fleet that has completed is not there, although it could still be asked.
  const client = new Client({ connection, namespace, workflow: { queryRejectCondition: 'NOT_OPEN' } });
  const workflowId = fleetWorkflowId(fleet);
  const state = (): Promise<FleetState> => {
    const handle = client.workflow.getHandle(workflowId);
    return client.withDeadline(Date.now() + QUERY_DEADLINE_MS, () => handle.query<FleetState>('status'));
  };
  return {
    announce: async (announcement) => {
      await client.workflow.signalWithStart('fleet', { workflowId, taskQueue: CONTROL_QUEUE, args: [{ fleet }], signal: 'announce', signalArgs: [announcement] });
    },
    look: async (server) => {
      try {
        return (await state()).members[server] ?? 'unknownServer';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError) return 'noFleet';
        // A run whose first workflow task has not been worked on yet has no handlers.
        if (error instanceof QueryNotRegisteredError) return 'unknownServer';
        throw error;
      }
    },
    stable: async () => {
      const { models } = await state();
      return Object.fromEntries(Object.entries<ModelState>(models).flatMap(([model, { stable }]) => (stable === undefined ? [] : [[model as ModelName, stable] as const]))) as Seed;
    },
  };
}
