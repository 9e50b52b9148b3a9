"""Drills: break one thing of a stack on purpose, watch it heal, and write down what it cost.

A drill is a sentence and a fault; three instruments (`traffic`, `writes`, `recorder`) and a stranger (`strangers`) run
throughout; `figures` makes numbers of what they saw, `limits` says which numbers are good enough.
"""
