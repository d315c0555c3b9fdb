"""What venues report and accept: instruments, market data, account, orders, trades."""
