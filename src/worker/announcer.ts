// Keeps a fleet aware of one server: announces it, looks every half minute, and announces again when the fleet is missing, new, or knows another incarnation.

import type { Connection } from '@temporalio/client';
import { Client, QueryNotRegisteredError, QueryRejectedError, WorkflowNotFoundError } from '@temporalio/client';
import type { FleetState } from '../domain/fleet';
import type { Announcement } from '../domain/host';
import type { FleetName, ServerName } from '../domain/names';
import { CONTROL_QUEUE, fleetWorkflowId } from '../domain/names';
import { errorText } from './error-text';

/** What the fleet says of one server, or that there is no fleet to say anything. */
export type Known = { readonly incarnation: string } | 'unknownServer' | 'noFleet';

/** The two things an announcer needs of Temporal. */
export interface FleetContact {
  readonly announce: (announcement: Announcement) => Promise<void>;
  /** Rejects when nobody answers: then nothing is known, and nothing is concluded. */
  readonly look: (server: ServerName) => Promise<Known>;
}

export interface Announcer {
  readonly stop: () => void;
}

const LOOK_EVERY_MS = 30_000;
/** How soon a new incarnation of the model server is told; looking at our own agent costs nothing. */
const TICK_MS = 1_000;

/** Announces at once; `current` is asked each second, because a model server that restarted has a new incarnation. */
export function keepAnnounced(contact: FleetContact, current: () => Announcement, report: (line: string) => void, lookEveryMs = LOOK_EVERY_MS): Announcer {
  let told: string | undefined;
  let lookAtMs = 0;
  let busy = false;
  const tick = async (): Promise<void> => {
    const announcement = current();
    if (told !== announcement.incarnation) {
      await contact.announce(announcement);
      told = announcement.incarnation;
      lookAtMs = Date.now() + lookEveryMs;
    } else if (Date.now() >= lookAtMs) {
      lookAtMs = Date.now() + lookEveryMs;
      if (mustAnnounce(await contact.look(announcement.server), announcement)) told = undefined;
    }
  };
  const ticker = setInterval(() => {
    if (busy) return;
    busy = true;
    tick().catch((error: unknown) => report(`the fleet does not hear us: ${errorText(error)}`)).finally(() => {
      busy = false;
    });
  }, Math.min(TICK_MS, lookEveryMs));
  return { stop: () => clearInterval(ticker) };
}

export function mustAnnounce(known: Known, announcement: Announcement): boolean {
  return known === 'noFleet' || known === 'unknownServer' || known.incarnation !== announcement.incarnation;
}

/** A query waits for a control worker; when none is there it must not hold the announcer for long. */
const QUERY_DEADLINE_MS = 10_000;

export function fleetContact(connection: Connection, namespace: string, fleet: FleetName): FleetContact {
  // A fleet that has completed is not there, although it could still be asked.
  const client = new Client({ connection, namespace, workflow: { queryRejectCondition: 'NOT_OPEN' } });
  const workflowId = fleetWorkflowId(fleet);
  return {
    announce: async (announcement) => {
      await client.workflow.signalWithStart('fleet', { workflowId, taskQueue: CONTROL_QUEUE, args: [{ fleet }], signal: 'announce', signalArgs: [announcement] });
    },
    look: async (server) => {
      try {
        const handle = client.workflow.getHandle(workflowId);
        const state = await client.withDeadline(Date.now() + QUERY_DEADLINE_MS, () => handle.query<FleetState>('status'));
        const member = state.members[server];
        return member === undefined ? 'unknownServer' : { incarnation: member.incarnation };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError || error instanceof QueryRejectedError) return 'noFleet';
        // A run whose first workflow task has not been worked on yet has no handlers.
        if (error instanceof QueryNotRegisteredError) return 'unknownServer';
        throw error;
      }
    },
  };
}
