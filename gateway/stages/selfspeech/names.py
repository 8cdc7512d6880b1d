"""The names of those who make models, and of the models."""

from typing import Final

# Makers: companies and labs that can have made, trained or own a model. Models: names that only a model bears.
# Persons: names that people, places and animals bear as well.
NAMES: Final = {
    "maker": """
        openai | open ai | open - ai | anthropic | anthropic ai | anthropic pbc | google ( ai | deepmind | research
        | brain | cloud | llc | inc )? | deepmind | alphabet | Meta ( ai | platforms | inc )? | facebook ( ai )? (
        research )? | mistral ( . )? ai | Mistral | xai | x ai | x . ai | deepseek ( - )? ( ai )? | deep seek
        | alibaba ( cloud | group | damo academy | ' s tongyi lab )? | tongyi lab | damo academy | moonshot ( ai )?
        | perplexity ( ai )? | cohere ( for ai | ai )? | 01 . ai | 01ai | 01 - ai | microsoft ( research | ai |
        azure | corporation | bing )? | lmsys ( org )? | lm - sys | large model systems organization ( <open> lmsys
        <close> )? | databricks | mosaicml | mosaic ml | stability ai | stability . ai | laion ( ai )? ( e . v . )?
        | zhipu ( ai )? | z . ai | baidu | tencent | bytedance | byte dance | Inflection ( ai )? | Amazon ( web
        services | agi | bedrock )? | aws | nvidia | tii | technology innovation institute | bigscience | big
        science | hugging face | huggingface | eleutherai | eleuther ai | Stanford ( university )? | uc berkeley |
        Berkeley | bair | ai21 ( labs )? | ibm | Apple | reka ( ai )? | MiniMax | sambanova ( systems )? | together
        ( . )? ai | Snowflake | salesforce | adept ai | character ( . )? ai | nous research | groq | cerebras |
        huawei | iflytek | naver | yandex | sberbank | sber | aleph alpha | stepfun | baichuan ( ai | inc )? |
        sensetime | shanghai ai lab ( oratory )? | tsinghua ( university )? | thudm | allen institute for ai | ai2 |
        allenai | liquid ai | arcee ( ai )? | Upstage | 阿里巴巴 ( 集团 | 云 )? | 阿里云 | 阿里 | 百度 | 腾讯 |
        字节跳动 | 谷歌 | 微软 | 智谱
        ( ai | 华章 )? | 深度求索 | 月之暗面 ( 科技 )? | 零一万物 | 科大讯飞 | 讯飞 | 百川 ( 智能 )? | 商汤 ( 科技 )?
        | 清华 ( 大学 )? | 达摩院 | 脸书 |
        亚马逊
    """,
    "model": """
        ( chatgpt | chat gpt | chat - gpt | gpt | gpt4 | gpt4o | gpt3 | gpt2 | gpt4all | instructgpt | davinci |
        text - davinci | o1 | o3 | o4 - mini | Gemini | gemma | palm2 | PaLM | LaMDA | Bard | llama | llama2 |
        llama3 | codellama | code llama | Mistral $version | mixtral | ministral | magistral | codestral | Le Chat |
        Grok | deepseek | qwen | qwen2 | qwen3 | qwq | tongyi qianwen | 通义千问 | 通义 | Kimi | sonar $version |
        command
        r ( + )? | command - r ( + )? | Aya | Copilot | Bing ( chat | ai | copilot )? | Cortana | Phi - <num> | Phi
        <num> | vicuna | koala - <num> | alpaca - <num> | dolly $version | mpt | stablelm | open assistant |
        openassistant | open - assistant | oasst | chatglm | chatglm2 | chatglm3 | glm | 智谱清言 | ernie bot | ernie
        $version | 文心一言 | 文心 | 混元 | 豆包 | 讯飞星火 | 星火 | hunyuan | doubao | nemotron | Falcon - <num> |
        Falcon <num> |
        Nova ( pro | lite | micro | premier ) | Titan text | Amazon ( Nova | Titan ) | bloom - <num> | BLOOM |
        bloomz | yi - <num> | Yi - ( large | chat ) | hyperclova | yandexgpt | gigachat | baichuan <num> | baichuan2
        | internlm | minicpm | jurassic - <num> | jamba | Granite $version | starcoder | zephyr - <num> | openchat |
        openhermes | wizardlm | orca - <num> | tulu <num> | olmo | dbrx | Hermes <num> | solar - <num> | Claude
        $version | Claude instant ) $version{0,4}
    """,
    "person": """
        Claude | Ernie | Dolly | Nova | Pi | Phi | Yi | Titan | Falcon | Alpaca | Koala | Command | Sonar | Sydney |
        Hermes
    """,
    "version": """
        <num> ( . <dec> )? | - <num> ( . <dec> )? | - ( turbo | mini | nano | <cap> ) | v <num> | - v <num> ( .
        <dec> )? | pro | ultra | flash | nano | advanced | opus | sonnet | haiku | instant | large | medium | small
        | nemo | instruct | turbo | mini | preview | chat | plus | max | thinking | online | 4o | o | - 4o | r1 | v2
        | v3 | v4 | - ( pro | large | small | medium | max | plus | chat | instruct | r1 | v2 | v3 | coder | o | 4o
        | flash | preview )
    """,
}
