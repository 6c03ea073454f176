// The small worlds that are explored: each is about one thing that may happen at any moment.

import type { Shape } from './world';

const two = { servers: 2, mode: 'availability', waves: [1], bake: false, faults: 0, wishes: [], broken: [] } as const satisfies Shape;

export const SHAPES: Readonly<Record<string, Shape>> = {
  'two servers, two waves': two,
  'with a bake': { ...two, bake: true },
  'the first version ever': { ...two, first: true },
  'in resource mode': { ...two, mode: 'resource' },
  'a version that does not load on the second server': { ...two, broken: [1] },
  'a version that does not load, during a bake': { ...two, bake: true, broken: [1], waves: [2] },
  'an abort at any moment': { ...two, bake: true, wishes: ['abort'] },
  'an abort of a first version': { ...two, first: true, wishes: ['abort'] },
  'an abort in resource mode': { ...two, mode: 'resource', wishes: ['abort'] },
  'a pause at any moment': { ...two, bake: true, wishes: ['pause'] },
  'a pause and an abort': { ...two, servers: 1, bake: true, wishes: ['pause', 'abort'] },
  'a pause and a newer rollout': { ...two, servers: 1, wishes: ['pause', 'newer'] },
  'a pause and an update': { ...two, servers: 1, wishes: ['pause', 'update'] },
  'a pause, and a version that does not load': { ...two, broken: [1], wishes: ['pause'] },
  'a rollback at any moment': { ...two, bake: true, wishes: ['rollback'] },
  'a rollback of a first version': { ...two, first: true, wishes: ['rollback'] },
  'a rollback, a restart and a newer rollout': { ...two, servers: 1, bake: true, wishes: ['rollback', 'restart', 'newer'] },
  'an update at any moment': { ...two, bake: true, wishes: ['update'] },
  'two updates': { ...two, servers: 1, wishes: ['update', 'update'] },
  'an update and an abort': { ...two, servers: 1, bake: true, wishes: ['update', 'abort'] },
  'a newer rollout at any moment': { ...two, wishes: ['newer'] },
  'a newer rollout in resource mode': { ...two, servers: 1, mode: 'resource', wishes: ['newer'] },
  'an abort and a newer rollout': { ...two, servers: 1, bake: true, wishes: ['abort', 'newer'] },
  'a lost answer at any moment': { ...two, faults: 1 },
  'a lost answer and an abort': { ...two, servers: 1, bake: true, faults: 1, wishes: ['abort'] },
  'a restart at any moment': { ...two, bake: true, wishes: ['restart'] },
  'a restart and an abort': { ...two, servers: 1, bake: true, wishes: ['restart', 'abort'] },
  'a restart and a newer rollout': { ...two, servers: 1, wishes: ['restart', 'newer'] },
  'a restart in resource mode': { ...two, mode: 'resource', wishes: ['restart'] },
  'a restart of a first version': { ...two, first: true, wishes: ['restart'] },
  'a lost answer, a restart and an abort': { ...two, servers: 1, bake: true, faults: 1, wishes: ['restart', 'abort'] },
  'a lost answer and a newer rollout': { ...two, servers: 1, faults: 1, wishes: ['newer'] },
  'a version that does not load, and a newer one': { ...two, broken: [1], wishes: ['newer'] },
  'a version that does not load, and an update': { ...two, broken: [1], wishes: ['update'] },
  'two models on one server': { ...two, servers: 1, models: 2 },
  'two models on one server, and an abort': { ...two, servers: 1, models: 2, wishes: ['abort'] },
  'two models on one server, which restarts': { ...two, servers: 1, models: 2, wishes: ['restart'] },
  'two models on one server in resource mode': { ...two, servers: 1, models: 2, mode: 'resource', broken: [0] },
  'two models on one server, and a lost answer': { ...two, servers: 1, models: 2, faults: 1 },
};

/** Worlds that take minutes: `npm run explore -- --deep`. */
export const DEEP: Readonly<Record<string, Shape>> = {
  'three servers, three waves, an abort and a pause': { ...two, servers: 3, waves: [1, 2], wishes: ['abort', 'pause'] },
  'three servers in resource mode, a restart and an abort': { ...two, servers: 3, mode: 'resource', waves: [1, 2], wishes: ['restart', 'abort'] },
  'a bake, an update, an abort and a lost answer': { ...two, bake: true, faults: 1, wishes: ['update', 'abort'] },
  'two lost answers and an abort': { ...two, bake: true, faults: 2, wishes: ['abort'] },
  'two newer rollouts': { ...two, servers: 1, wishes: ['newer', 'newer'] },
  'two servers, a newer rollout and an abort': { ...two, wishes: ['newer', 'abort'] },
  'two servers, a newer rollout and a restart': { ...two, wishes: ['newer', 'restart'] },
  'two models on two servers': { ...two, models: 2 },
  'two models on two servers in resource mode': { ...two, models: 2, mode: 'resource', broken: [1] },
  'two models on one server, a bake, an abort and a restart': { ...two, servers: 1, models: 2, bake: true, wishes: ['abort', 'restart'] },
  'two models on one server, and a newer rollout': { ...two, servers: 1, models: 2, wishes: ['newer'] },
};
