// The workflow types by name, for a worker's bundle.
export { fleet } from './fleet';
export { rollout } from './rollout';
export { transition } from './transition';
