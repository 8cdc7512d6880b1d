"""`/api/threads…`: conversations that are kept, and answers that go on when their client is lost."""
