"""Index advice, proved before it is shown: workload, candidates, proof, weighing, migration."""
